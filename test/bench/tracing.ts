import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { EntryTrace } from '#promotion/consumers/entry-trace.ts'
import { annotateSpan, isTracing, openSpan, setTracedShare, traceFields, withSpan } from '#runtime/tracing.ts'

/**
 * What tracing adds to a gift's way, in CPU seconds for 100,000 gifts: off, and with an SDK at several shares. Everything
 * else of the way is left out, so that a busy machine does not hide it; beside it stands `bench:pipeline`, which has the
 * whole. Each way is a process of its own; the last line is JSON. `npm run bench:tracing -- --gifts 100000`
 */
const { values } = parseArgs({
  options: { gifts: { type: 'string', default: '100000' }, way: { type: 'string', default: '' } },
})
const GIFTS = Number(values.gifts)
const AT_ONCE = 500
/** What share of the gifts an SDK traces; without one nothing is loaded. */
const WAYS: Record<string, number | undefined> = { off: undefined, unsampled: 0, sampled: 1 }

async function gift(entries: EntryTrace, id: string): Promise<void> {
  const span = isTracing() ? openSpan('gift intake', { kind: 'consumer', attributes: { offset: id } }) : undefined
  const fields = { key: 'k', message: '{}', ...(span === undefined ? {} : traceFields(span.traceparent)) }
  span?.end({ 'promostream.outcome': 'inserted' })
  const entry = { id, stream: 'campaign-promotion-42:voucher:stream', deliveries: 1, fields }
  await entries.around(entry as never, async () => {
    if (isTracing()) annotateSpan({ 'promostream.promotion.id': '42', 'promostream.target.id': id })
    if (!isTracing()) return undefined
    return withSpan('POST', { kind: 'client', attributes: { 'promostream.key': id } }, async annotate => {
      traceFields()
      annotate({ 'http.response.status_code': 200 })
      return undefined
    })
  })
}

async function cpuSeconds(): Promise<number> {
  const entries = new EntryTrace()
  const before = process.cpuUsage()
  for (let at = 0; at < GIFTS; at += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, (_, index) => `${at + index}-0`)
    await Promise.all(ids.map(id => gift(entries, id)))
    if (isTracing()) entries.acknowledged(ids)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

function startTracing(share: number): void {
  setTracedShare(share)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const exporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: async () => undefined,
  }
  const spanProcessors = [new BatchSpanProcessor({ exporter: exporter as never })]
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }))
}

/** CPU microseconds of a gift, in this process. */
async function measure(share: number | undefined): Promise<number> {
  if (share !== undefined) startTracing(share)
  await cpuSeconds()
  return ((await cpuSeconds()) * 1e6) / GIFTS
}

function inProcess(way: string): number {
  const args = [fileURLToPath(import.meta.url), '--gifts', values.gifts, '--way', way]
  const microseconds = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  process.stderr.write(`${way}: ${microseconds} µs of CPU a gift\n`)
  return microseconds
}

if (values.way === '') {
  const microsecondsAGift = Object.fromEntries(Object.keys(WAYS).map(way => [way, inProcess(way)]))
  process.stdout.write(`${JSON.stringify({ gifts: GIFTS, microsecondsAGift })}\n`)
} else {
  process.stdout.write(`${(await measure(WAYS[values.way])).toFixed(2)}\n`)
  process.exit(0)
}
