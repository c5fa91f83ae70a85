import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'
import { type LossyProxy, startLossyProxy } from '../../support/lossy-proxy.ts'
import { until } from '../../support/redis.ts'
import {
  connection,
  type Job,
  jobs,
  name,
  otherConnection,
  pendingOf,
  queueOf,
  redis,
  work,
} from '../../support/stream-harness.ts'

/** What acknowledges: a script, or XACKDEL where the server has it. */
const ACK = /\b(eval|evalsha|xackdel)\b/i
const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('a reply that never came', () => {
  let proxy: LossyProxy
  let lossy: StreamConnection

  beforeAll(async () => {
    proxy = await startLossyProxy(redis.url)
    lossy = otherConnection({ url: proxy.url, name: 'proxied' })
    await lossy.ready()
  })
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
    const adding = new StreamQueue<Job>(name, { connection: lossy }).add({ n: 'added-unheard' })
    await expect(adding).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: false, isUncertain: true })
    await lost
    await lossy.client.ping().catch(() => undefined)
    await until('the connection is back', () => lossy.isUsable)
    await lossy.client.ping()
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

describe('Redis', () => {
  test('restarted between handler and acknowledgement: the ack is tried again, quietly, and nothing is run twice', async () => {
    const gates: (() => void)[] = []
    const seen: string[] = []
    const worker = work(
      async entry => {
        await new Promise<void>(resolve => gates.push(resolve))
        seen.push(entry.fields.n)
      },
      { concurrency: 40 },
    )
    let errors = 0
    worker.on('error', () => void errors++)
    await queueOf().addBulk(jobs(40))
    await until('40 running', () => gates.length === 40)
    await redis.server.stop()
    try {
      const startedAt = performance.now()
      for (const [index, open] of gates.splice(0).entries()) {
        open()
        await until('it is through', () => seen.length === index + 1)
      }
      await until('a second without Redis', () => performance.now() - startedAt > 1000)
    } finally {
      await redis.server.start()
    }
    // One attempt each 200 ms, not one for each entry that became done meanwhile.
    expect(errors).toBeLessThan(25)
    await until('an empty stream', () => isEmptied().catch(() => false))
    expect([new Set(seen).size, seen.length, await pendingOf()]).toEqual([40, 40, 0])
  })

  test('away: an add rejects at once, and no offline queue runs it later', async () => {
    await redis.server.stop()
    try {
      await until('the connection is lost', () => !connection.isUsable)
      const startedAt = performance.now()
      await expect(queueOf().add({ n: 'late' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
      expect(performance.now() - startedAt).toBeLessThan(1000)
    } finally {
      await redis.server.start()
    }
    await until('the connection is back', () => connection.isUsable)
    await connection.client.ping()
    expect(await redis.probe.exists(name)).toBe(0)
  })
})
