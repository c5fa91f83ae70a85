import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { type StreamEntry, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { redisVersion } from '../../support/redis-flavours.ts'
import {
  connection,
  GROUP,
  idsOf,
  type Job,
  jobs,
  name,
  otherConnection,
  pendingOf,
  poolOf,
  queueOf,
  redis,
  testOnServers,
  work,
  workers,
} from '../../support/stream-harness.ts'

const isEmptied = async () => (await redis.probe.xlen(name)) === 0

/** How often the servers were given a command so far; those inside scripts count too. */
async function callsOf(command: string): Promise<number> {
  let calls = 0
  await redis.onEach(async node => {
    const found = new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await node.info('commandstats'))
    calls += Number(found?.[1] ?? 0)
  })
  return calls
}

describe('XADD MAXLEN ~', () => {
  test('deletes entries that nobody has read; a highWaterMark below it keeps every one', async () => {
    const bare = new StreamQueue<Job>(`${name}-bare`, { connection, group: GROUP, maxLen: 500 })
    await bare.addBulk(jobs(2500))
    expect(await bare.length()).toBeLessThan(1000)
    const highWaterMark = { length: 400, onFull: 'refuse' } as const
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection, group: GROUP, maxLen: 500, highWaterMark })
    let added = 0
    const addAll = async () => {
      for (; added < 2500; added += 100) await queue.addBulk(jobs(100, added))
    }
    await expect(addAll()).rejects.toMatchObject({ code: 'STREAM_FULL' })
    const seen = new Set<string>()
    work(entry => void seen.add(entry.fields.n), { concurrency: 100 })
    await until('an empty stream', isEmptied)
    expect([added, seen.size]).toEqual([400, 400])
  })
})

describe('XACK', () => {
  test('alone leaves the entry: ack and delete are one step, by XACKDEL where the server has it', async () => {
    const [before, scripts] = [await callsOf('xackdel'), await callsOf('xdel')]
    work(() => undefined)
    await queueOf().addBulk(jobs(20))
    await until('an empty stream', isEmptied)
    expect(await pendingOf()).toBe(0)
    const hasAckDel = redisVersion() >= 8.2
    expect(connection.capabilities.ackDel).toBe(hasAckDel)
    expect((await callsOf('xackdel')) > before).toBe(hasAckDel)
    expect((await callsOf('xdel')) > scripts).toBe(!hasAckDel)
  })
})

describe('XINFO GROUPS', () => {
  test('its lag is null after deletes: counts do not ask it', async () => {
    await queueOf().ensureGroup()
    const ids = idsOf(await queueOf().addBulk(jobs(10)))
    await redis.probe.xreadgroup('GROUP', GROUP, 'somebody', 'COUNT', 4, 'STREAMS', name, '>')
    await redis.probe.xdel(name, ids[7] ?? '')
    expect(await queueOf().counts()).toEqual({ length: 9, pending: 4, waiting: 5 })
  })
})

describe('a consumer’s name', () => {
  test('of host and pid alone would be shared by two containers: it has a random part', () => {
    const options = { autorun: false }
    const [one, two] = [work(() => undefined, options), work(() => undefined, options)]
    expect(one.consumer).toContain(`-${process.pid}-`)
    expect(one.consumer).not.toBe(two.consumer)
  })
})

describe('hundreds of streams', () => {
  test('are not polled one by one: a peek looks at all of them, a read follows only where something is', async () => {
    const pool = poolOf(50)
    const streams = Array.from({ length: 200 }, (_, index) => `${name}-${index}`)
    for (const stream of streams) work(() => undefined, { pool }, stream)
    await Promise.all(workers.map(worker => once(worker, 'ready')))
    await until('each was asked once', () => workers.every(worker => worker.lastPollAt > 0))
    const [reads, startedAt] = [await callsOf('xreadgroup'), Date.now()]
    await until('ten of the longest pauses', () => Date.now() - startedAt > 1000)
    // One by one these would be 2,000.
    expect((await callsOf('xreadgroup')) - reads).toBeLessThan(400)
  })
})

describe('XAUTOCLAIM', () => {
  test('uses the server’s clock, which may jump: a live entry that was stolen is acknowledged once, and not stolen back', async () => {
    const gate = Promise.withResolvers<void>()
    const seen: StreamEntry[] = []
    const handler = async (entry: StreamEntry) => {
      seen.push(entry)
      await gate.promise
    }
    const first = work(handler)
    const { id } = await queueOf().add({ n: '1' })
    await until('it runs', () => seen.length === 1)
    await first.pause(true)
    // What a clock that jumps an hour does: the entry looks idle for longer than any min-idle.
    await redis.probe.xclaim(name, GROUP, first.consumer, 0, id, 'IDLE', 3_600_000, 'JUSTID')
    work(handler)
    await until('the other runs it too', () => seen.length === 2)
    expect(seen[1]?.deliveries).toBe(2)
    gate.resolve()
    await until('an empty stream', isEmptied)
    expect(await pendingOf()).toBe(0)
  })

  test('counts deliveries, JUSTID does not: entries that wait out an outage are no poison', async () => {
    const { retryLater } = await import('#stream/index.ts')
    let isDown = true
    const deliveries: number[] = []
    const startedAt = Date.now()
    work(
      entry => {
        deliveries.push(entry.deliveries)
        return isDown ? retryLater({ delayMs: 20, reason: 'the database is away' }) : undefined
      },
      { claimMinIdleMs: 600, maxDeliveries: 2 },
    )
    await queueOf().add({ n: '1' })
    await until('many tries, over many min-idles', () => deliveries.length > 30 && Date.now() - startedAt > 1500)
    isDown = false
    await until('an empty stream', isEmptied)
    expect(new Set(deliveries)).toEqual(new Set([1]))
    expect(await redis.probe.exists(`${name}:dead-letter`)).toBe(0)
  })
})

describe('out of memory', () => {
  test('refuses XADD only: what is on the stream is read, acknowledged, deleted', async () => {
    let done = 0
    const worker = work(() => void done++)
    await once(worker, 'ready')
    await worker.pause()
    await queueOf().addBulk(jobs(30))
    await redis.onEach(node => node.config('SET', 'maxmemory', '1'))
    try {
      await expect(queueOf().add({ n: 'x' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
      worker.resume()
      await until('an empty stream', isEmptied)
      expect([done, await pendingOf()]).toEqual([30, 0])
    } finally {
      await redis.onEach(node => node.config('SET', 'maxmemory', '0'))
    }
  })

  test('a worker that begins then works too, on a group that is there', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(30))
    await redis.onEach(node => node.config('SET', 'maxmemory', '1'))
    try {
      let done = 0
      work(() => void done++)
      await until('an empty stream', isEmptied)
      expect(done).toBe(30)
      await expect(queueOf().ensureGroup('another')).rejects.toThrow('OOM')
    } finally {
      await redis.onEach(node => node.config('SET', 'maxmemory', '0'))
    }
  })
})

describe('a long script stops the server for everybody', () => {
  test('a clean-up takes at most 1,000 entries a call', async () => {
    await queueOf().ensureGroup()
    const ids = idsOf(await queueOf().addBulk(jobs(2300)))
    await redis.probe.xreadgroup('GROUP', GROUP, 'spring', 'COUNT', 2300, 'STREAMS', name, '>')
    for (let from = 0; from < ids.length; from += 1000) {
      await redis.probe.xack(name, GROUP, ...ids.slice(from, from + 1000))
    }
    const trimmed = [0, 0, 0, 0]
    for (const call of trimmed.keys()) trimmed[call] = await queueOf().trimAcknowledged()
    expect(trimmed).toEqual([1000, 1000, 300, 0])
  })
})

describe('ioredis', () => {
  test('a command without an answer rejects by its time-out; the server may run it later all the same, once', async () => {
    const impatient = otherConnection({ commandTimeoutMs: 300 })
    await impatient.ready()
    await redis.onEach(node => node.call('CLIENT', 'PAUSE', 1000, 'WRITE').catch(() => undefined))
    const adding = new StreamQueue<Job>(name, { codec: 'flat', connection: impatient }).add({ n: '1' })
    const startedAt = performance.now()
    await expect(adding).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: false, isUncertain: true })
    expect(performance.now() - startedAt).toBeLessThan(900)
    // What a rejected add promises: the entry is there or not. Here it is, when the server goes on.
    await until('it has run', async () => (await redis.probe.xlen(name)) === 1)
    await impatient.close()
  })

  testOnServers('an error carries its command, with the password and the payload: ours do not', async () => {
    const wrong = new URL(redis.url)
    wrong.username = 'nobody'
    wrong.password = 'canary-secret'
    const stranger = otherConnection({ url: wrong.href })
    const error: unknown = await stranger.ready().catch(thrown => thrown)
    expect(error).toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await redis.probe.set(name, 'not a stream')
    const refused: unknown = await queueOf()
      .add({ n: 'canary-secret' })
      .catch(thrown => thrown)
    expect(refused).toMatchObject({ code: 'STREAM_ADD_FAILED' })
    const { inspect } = await import('node:util')
    for (const thrown of [error, refused]) expect(inspect(thrown, { depth: 10 })).not.toContain('canary-secret')
    await stranger.close()
  })
})
