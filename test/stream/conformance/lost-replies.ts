import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { type Job, jobs, name, otherConnection, pendingOf, queueOf, redis, work } from '../../support/stream-harness.ts'

/** What acknowledges: a script, or XACKDEL where the server has it. */
const ACK = /\b(eval|evalsha|xackdel)\b/i
const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('a reply that never came', () => {
  let proxy: Awaited<ReturnType<typeof redis.proxied>>
  let lossy: StreamConnection

  beforeAll(async () => {
    proxy = await redis.proxied()
    lossy = otherConnection({ ...proxy.options, name: 'proxied' })
    await lossy.ready()
  }, 60_000)
  afterAll(async () => {
    await lossy.close()
    await proxy.stop()
  })

  test('to XREADGROUP: what it handed out is found at once, and run once', async () => {
    const seen: string[] = []
    const worker = work(entry => void seen.push(entry.fields.n), { connection: lossy })
    await once(worker, 'ready')
    const lost = proxy.loseReply('reply', /never-heard-of/)
    await queueOf().addBulk([{ n: 'never-heard-of' }, { n: 'its neighbour' }])
    await lost
    const lostAt = performance.now()
    await until('both done', () => seen.length === 2)
    // Not only after the read has run into the time-out of a command.
    expect(performance.now() - lostAt).toBeLessThan(2500)
    await until('an empty stream', isEmptied)
    expect([seen.sort(), await pendingOf()]).toEqual([['its neighbour', 'never-heard-of'], 0])
  })

  test('to XADD: it rejects, and the entry is on the stream once: nothing is sent again behind the caller’s back', async () => {
    const lost = proxy.loseReply('request', /added-unheard/)
    const adding = new StreamQueue<Job>(name, { codec: 'flat', connection: lossy }).add({ n: 'added-unheard' })
    await expect(adding).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: false, isUncertain: true })
    await lost
    await lossy.ping().catch(() => undefined)
    await until('the connection is back', () => lossy.isUsable)
    await lossy.ping()
    expect(await redis.probe.xlen(name)).toBe(1)
  })

  test('to an acknowledgement: it is sent again, the handler is not run again', async () => {
    let done = 0
    const gate = Promise.withResolvers<void>()
    const worker = work(
      async () => {
        await gate.promise
        done += 1
      },
      { connection: lossy },
    )
    worker.on('error', () => undefined)
    await queueOf().addBulk(jobs(3))
    await until('3 running', () => worker.inFlight === 3)
    const lost = proxy.loseReply('request', ACK)
    gate.resolve()
    await lost
    await until('an empty stream', isEmptied)
    await worker.close()
    expect([done, await pendingOf()]).toEqual([3, 0])
  })
})
