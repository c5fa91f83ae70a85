import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { settleBatch, type Work } from '#listeners/settle-batch.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { toError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'

const MAX_LEN = 1000
const PRODUCERS = 8

let redis: TestRedis
let connections: StreamConnection[]

beforeAll(async () => {
  redis = await startTestRedis()
  connections = Array.from({ length: PRODUCERS }, () => createStreamConnection({ url: redis.url }))
  await Promise.all(connections.map(connection => connection.ready()))
})
afterAll(async () => {
  await Promise.all(connections.map(connection => connection.close()))
  await redis.stop()
})

test('eight listeners with a flood each: the stream stays within its bound, and nothing is trimmed', async () => {
  const producers = connections.map(connection => new PromotionStreamProducer({ connection, maxLen: MAX_LEN }))
  let admitted = 0
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      producers.flatMap(producer =>
        Array.from({ length: 500 }, async () => {
          if (!(await producer.admit('flood'))) return
          admitted += 1
          await producer.enqueue('flood', 'k', '{}')
        }),
      ),
    )
  }
  expect(admitted).toBeGreaterThan(MAX_LEN / 2)
  expect(admitted).toBeLessThanOrEqual(MAX_LEN)
  expect(await redis.probe.xlen('flood')).toBe(admitted)
})

const MANY = 10_000
const logger = createLogger('test', 'silent')
const producerOf = (maxLen = MANY) => new PromotionStreamProducer({ connection: connections[0]!, maxLen })
const length = (stream: string) => redis.probe.xlen(stream)

test('a stream has one queue, which is kept', () => {
  const producer = producerOf()

  expect(producer.queue('kept')).toBe(producer.queue('kept'))
  expect(producer.queue('kept')).not.toBe(producer.queue('another'))
})

/** As the listener does it after the insert: the entry is a step of its own. */
function settle(producer: PromotionStreamProducer, streams: readonly string[], signal: AbortSignal) {
  const works = streams.map(
    (stream, index): Work<boolean> =>
      doStep =>
        doStep(() => producer.enqueue(stream, `key-${index}`, `{"n":${index}}`)),
  )
  const retryer = createRetryer({ maxRetries: 4, initialDelayMs: 20, maxDelayMs: 200 })
  return settleBatch(works, { retryer, logger, signal })
}

test('a stream that cannot be written is nobody else’s trouble: the others get each entry once, and the batch goes on', async () => {
  await redis.probe.set('broken', 'not a stream')
  const streams = Array.from({ length: 500 }, (_, index) => (index % 2 === 0 ? 'broken' : 'healthy'))
  const results = await settle(producerOf(), streams, AbortSignal.timeout(20_000))
  expect(await length('healthy')).toBe(250)
  // Their rows are committed: upkeep finds that their entries are missing.
  expect(results.filter(result => result === false)).toHaveLength(250)
  await expect(producerOf().admit('broken')).resolves.toBe(false)
})

/** The stream `refused` may be looked at, and takes nothing. */
const REFUSALS = {
  'for want of the right to write': async () => {
    await redis.probe.acl('SETUSER', 'listener', 'on', '>secret', '+@all', '%R~*', '%RW~sound')
    return createStreamConnection({ url: redis.url.replace('//', '//listener:secret@') })
  },
  'for want of a further id': async () => {
    await redis.probe.xadd('refused', `${2n ** 64n - 1n}-${2n ** 64n - 1n}`, 'n', '0')
    return createStreamConnection({ url: redis.url })
  },
}

test.each(Object.keys(REFUSALS) as (keyof typeof REFUSALS)[])(
  'a stream that is refused %s keeps no batch waiting, also when nobody else was written to before',
  async why => {
    await redis.probe.del('refused', 'sound')
    const connection = await REFUSALS[why]()
    try {
      await connection.ready()
      const producer = new PromotionStreamProducer({ connection, maxLen: MANY })
      const before = await length('refused')
      const fromMs = performance.now()
      const two = Array.from({ length: 2 }, () => ({ key: 'k', message: '{}' }))
      // Many go by a script, one by itself: both are told at the first refusal.
      expect(await producer.enqueueEach('refused', two)).toEqual([false, false])
      const refused = await settle(producer, Array(250).fill('refused'), AbortSignal.timeout(20_000)).catch(toError)
      const mixed = Array.from({ length: 500 }, (_, index) => (index % 2 === 0 ? 'refused' : 'sound'))
      const both = await settle(producer, mixed, AbortSignal.timeout(20_000)).catch(toError)
      expect(performance.now() - fromMs).toBeLessThan(2000)
      expect(refused).toEqual(Array(250).fill(false))
      expect(both).toEqual(mixed.map(stream => stream === 'sound'))
      expect([await length('refused'), await length('sound')]).toEqual([before, 250])
    } finally {
      await connection.close()
    }
  },
  60_000,
)

test('refused for want of memory: every entry comes once, when there is room again', async () => {
  const abort = new AbortController()
  await redis.probe.config('SET', 'maxmemory', '1')
  const settling = settle(producerOf(), Array(700).fill('poor'), abort.signal)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(await length('poor')).toBe(0)
  await redis.probe.config('SET', 'maxmemory', '0')
  await settling
  expect(await length('poor')).toBe(700)
})

test('a further try asks for its place anew: a stream that others have filled meanwhile stays within its bound', async () => {
  const producer = producerOf(MAX_LEN)
  const gifts = Array.from({ length: 40 }, () => () => producer.enqueue('contested', 'k', '{}'))
  const admitted = await Promise.all(gifts.map(() => producer.admit('contested')))
  expect(admitted).toEqual(Array(40).fill(true))
  await redis.probe.config('SET', 'maxmemory', '1')
  const first = await Promise.allSettled(gifts.map(enqueue => enqueue()))
  await redis.probe.config('SET', 'maxmemory', '0')
  expect(new Set(first.map(({ status }) => status))).toEqual(new Set(['rejected']))
  const other = new PromotionStreamProducer({ connection: connections[1]!, maxLen: MAX_LEN })
  const room = await other.room('contested')
  expect(room).toBe(MAX_LEN * 0.8)
  await other.enqueueAll('contested', Array(room).fill({ key: 'k', message: '{}' }))
  await new Promise(resolve => setTimeout(resolve, 20))
  expect(await Promise.all(gifts.map(enqueue => enqueue()))).toEqual(Array(40).fill(false))
  expect(await length('contested')).toBe(room)
})

test('of a batch that was taken in part only the rest is refused, and refill marks only what was added', async () => {
  const entries = Array.from({ length: 40 }, (_, index) => ({ key: String(index), message: 'x'.repeat(500_000) }))
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.probe.info('memory'))?.[1])
  await redis.probe.config('SET', 'maxmemory', String(used + 10_000_000))
  const added = await producerOf().enqueueAll('partly', entries)
  await redis.probe.config('SET', 'maxmemory', '0')
  expect(added).toBeGreaterThan(0)
  expect(added).toBeLessThan(40)
  expect(await length('partly')).toBe(added)
})

test('of a batch that was taken in part only the rest is told so: tried again, each entry is there once', async () => {
  const entries = Array.from({ length: 40 }, (_, index) => ({ key: String(index), message: 'x'.repeat(500_000) }))
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.probe.info('memory'))?.[1])
  await redis.probe.config('SET', 'maxmemory', String(used + 10_000_000))
  const outcomes = await producerOf().enqueueEach('in-part', entries)
  await redis.probe.config('SET', 'maxmemory', '0')
  const left = entries.filter((_, index) => outcomes[index] !== true)
  expect(left.length).toBeGreaterThan(0)
  expect(left.length).toBeLessThan(40)
  expect(await length('in-part')).toBe(40 - left.length)
  expect(await producerOf().enqueueEach('in-part', left)).toEqual(left.map(() => true))
  const found = (await redis.probe.xrange('in-part', '-', '+')) as [string, string[]][]
  expect(found.map(([, fields]) => fields[1])).toEqual(entries.map(({ key }) => key))
})
