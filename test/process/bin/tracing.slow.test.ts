import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'
import { type CollectedSpan, startTraceCollector } from '#test/support/trace-collector.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const UNSAMPLED = '4bf92f3577b34da6a3ce929d0e0e4737'
const WRITER = '00f067aa0ba902b7'

/** A Money API that fails each gift's first POST, and keeps what headers came. */
async function startMoney(posts: { key: string; headers: IncomingHttpHeaders }[]): Promise<Server> {
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key'])
    if (request.method === 'GET') return response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
    const isFirst = !posts.some(post => post.key === key)
    posts.push({ key, headers: request.headers })
    request.resume()
    response.writeHead(isFirst ? 503 : 200, { 'content-type': 'application/json' })
    return response.end(JSON.stringify(isFirst ? { error: 'busy' } : { transactionKey: `t-${key}` }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

withKafka('tracing', () => {
  let system: TestSystem
  let collector: Awaited<ReturnType<typeof startTraceCollector>>
  let money: Server
  let traced: Record<string, string>
  const posts: { key: string; headers: IncomingHttpHeaders }[] = []

  beforeAll(async () => {
    collector = await startTraceCollector()
    money = await startMoney(posts)
    system = await TestSystem.create({ MONEY_API_URL: `http://127.0.0.1:${(money.address() as AddressInfo).port}` })
    traced = {
      NODE_OPTIONS: `--import ${resolve('src/bin/tracing.ts')}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    }
  }, 60_000)
  afterAll(async () => {
    await system.stop()
    money.close()
    collector.close()
  })

  const publish = (promotionId: string, targetId: string, traceparent?: string) =>
    system.events.publish({
      topic: system.topic('VOUCHER'),
      key: 'k',
      value: giftJson('VOUCHER', { promotionId, targetId }),
      ...(traceparent === undefined ? {} : { headers: { traceparent } }),
    })

  /** The entries' field names and values, in the order of their targets. */
  async function entriesOf(promotionId: string): Promise<string[][]> {
    const entries = await system.redis.xrange(promotionStreams('').VOUCHER.streamKey(promotionId), '-', '+')
    return entries.map(([, fields]) => fields)
  }

  const until = (count: number, id: string) =>
    system.until('paid', async () => (await system.countByStatus(id, 'VOUCHER')).SUCCESS === count)

  test('one trace a gift: from the record’s header over row, entry, call and acknowledgement, the retry linked', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 100)
    const target = String(uniqueId())
    const listener = await system.start('listener', traced)
    await publish(id, target, `00-${TRACE}-${WRITER}-01`)
    await publish(id, target, `00-${TRACE}-${WRITER}-01`)
    const [fields = []] = await system.until('the entry', async () => {
      const entries = await entriesOf(id)
      return entries.length > 0 && entries
    })
    expect(fields.filter((_, index) => index % 2 === 0)).toEqual(['key', 'message', 'traceparent'])
    expect(fields.at(-1)).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`))
    const worker = await system.start('worker', traced)
    await until(1, id)
    await system.until('the duplicate', async () =>
      readFileSync(listener.logFile, 'utf8').includes('already processed'),
    )
    await Promise.all([listener.stop(), worker.stop()])

    const spans = collector.spans.filter(({ traceId }) => traceId === TRACE)
    const intakes = spans.filter(({ name }) => name === 'gift intake')
    expect(intakes).toHaveLength(2)
    const intake = intakes.find(({ attributes }) => attributes['promostream.outcome'] === 'inserted')
    expect(intake).toMatchObject({ parentSpanId: WRITER, service: 'promostream-listener' })
    expect(intake?.attributes).toMatchObject({ 'promostream.outcome': 'inserted', 'messaging.system': 'kafka' })
    const one = (name: string, parent: CollectedSpan | undefined): CollectedSpan => {
      const found = spans.filter(span => span.name === name && span.parentSpanId === parent?.spanId)
      expect([name, found.length]).toEqual([name, 1])
      return found[0]!
    }
    const entryParent = fields.at(-1)!.split('-')[2]
    const payment = one(
      'gift payment',
      spans.find(({ spanId }) => spanId === entryParent),
    )
    expect(payment.attributes).toMatchObject({ 'promostream.promotion.id': id, 'promostream.target.id': target })
    const first = one('POST /v1/campaign-charges', payment)
    expect(first.attributes).toMatchObject({
      'http.response.status_code': '503',
      'promostream.key': `VOUCHER:${target}`,
    })
    one('gift acknowledgement', payment)
    const retry = one('gift retry', payment)
    expect(retry.links).toEqual([expect.objectContaining({ traceId: TRACE, spanId: payment.spanId })])
    const second = one('POST /v1/campaign-charges', retry)
    expect(second.attributes['http.response.status_code']).toBe('200')
    expect(posts.map(({ headers }) => headers.traceparent)).toEqual(
      [first, second].map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
    )
    // A log line says to which trace it belongs.
    const line = readFileSync(listener.logFile, 'utf8')
      .split('\n')
      .find(text => text.includes('already processed'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      trace_id: TRACE,
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  }, 90_000)

  test('what the writer does not sample is sampled nowhere; a record without a header begins a trace', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 100)
    const [one, other] = [String(uniqueId()), String(uniqueId())]
    const children = await Promise.all([system.start('listener', traced), system.start('worker', traced)])
    await publish(id, one, `00-${UNSAMPLED}-${WRITER}-00`)
    await publish(id, other)
    await until(2, id)
    await Promise.all(children.map(child => child.stop()))
    expect(collector.spans.filter(({ traceId }) => traceId === UNSAMPLED)).toEqual([])
    const own = collector.spans.filter(({ attributes }) => attributes['promostream.target.id'] === other)
    expect(new Set(own.map(({ traceId }) => traceId)).size).toBe(1)
    expect(own.map(({ name }) => name).sort()).toEqual(['gift payment', 'gift retry'])
  }, 90_000)

  test('without the SDK nothing is handed on, and a worker without it takes what one with it has added', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 100)
    const [one, other] = [String(uniqueId()), String(uniqueId())]
    const plain = await system.start('listener')
    await publish(id, one, `00-${TRACE}-${WRITER}-01`)
    await system.until('the entry', async () => (await entriesOf(id)).length === 1)
    await plain.stop()
    const listener = await system.start('listener', traced)
    await publish(id, other, `00-${TRACE}-${WRITER}-01`)
    await system.until('both entries', async () => (await entriesOf(id)).length === 2)
    await listener.stop()
    const names = (await entriesOf(id)).map(fields => fields.filter((_, index) => index % 2 === 0))
    expect(names).toEqual([
      ['key', 'message'],
      ['key', 'message', 'traceparent'],
    ])
    const before = posts.length
    const worker = await system.start('worker')
    await until(2, id)
    await worker.stop()
    expect(posts.slice(before).map(({ headers }) => headers.traceparent)).toEqual(Array(4).fill(undefined))
    expect(readFileSync(worker.logFile, 'utf8')).not.toContain('trace_id')
  }, 90_000)
})
