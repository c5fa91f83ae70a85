import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Permits } from '#money/permits.ts'
import { createLogger } from '#runtime/logger.ts'

const START_MS = Date.parse('2026-01-01T00:00:00Z')
/** A drain ends there even if every permit is granted at once. */
const FAR_TOO_MANY = 50_000
const opened: Permits[] = []

beforeEach(() => void jest.useFakeTimers({ now: START_MS }))
afterEach(() => {
  for (const permits of opened.splice(0)) permits.stop()
  jest.useRealTimers()
})

/** As much of Redis as permits use: a counter a window, and who shares the limit since when. */
function fakeRedis() {
  const counters = new Map<string, number>()
  const callers = new Map<string, number>()
  const redis = { isAway: false, questions: 0, callers }
  const answer = async <T>(value: () => T) => {
    if (redis.isAway) throw new Error('Redis is away')
    return value()
  }
  const client = {
    rlflxIncr: ([key, by]: string[]) => {
      redis.questions += 1
      return answer(() => {
        counters.set(key!, (counters.get(key!) ?? 0) + Number(by))
        return [counters.get(key!), 60_000]
      })
    },
    zadd: (_key: string, atMs: number, name: string) => answer(() => callers.set(name, atMs)),
    zremrangebyscore: (_key: string, _from: string, to: string) =>
      answer(() => {
        for (const [name, atMs] of callers) if (atMs <= Number(to)) callers.delete(name)
      }),
    zcard: () => answer(() => callers.size),
  }
  return { redis, client }
}

function permitsOf(limit: number, { redis, client } = fakeRedis(), instance = 'a') {
  const permits = new Permits({ limit, redis: client as never, instance, logger: createLogger('test', 'silent') })
  opened.push(permits)
  return { permits, redis }
}

/** When each permit was granted, in ms since the test began, while so many callers take one after the other. */
function drain(all: readonly Permits[], callers: number): number[] {
  const grantedAtMs: number[] = []
  for (const permits of all)
    for (let caller = 0; caller < callers; caller++)
      void (async () => {
        while (grantedAtMs.length < FAR_TOO_MANY && (await permits.take())) grantedAtMs.push(Date.now() - START_MS)
      })()
  return grantedAtMs
}

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

function mostWithin(windowMs: number, timesMs: readonly number[]): number {
  let from = 0
  return timesMs.reduce((most, atMs, to) => {
    while ((timesMs[from] as number) <= atMs - windowMs) from += 1
    return Math.max(most, to + 1 - from)
  }, 0)
}

test.each([
  [1, 5],
  [5, 3],
  [100, 20],
  [500, 50],
])(
  'at %d calls a second, two instances together get nearly all of it, and in no second more',
  async (limit, callers) => {
    const shared = fakeRedis()
    const grantedAtMs = drain([permitsOf(limit, shared, 'a').permits, permitsOf(limit, shared, 'b').permits], callers)
    await passing(10_000)
    expect(grantedAtMs.length).toBeGreaterThanOrEqual(9 * limit)
    expect(grantedAtMs.length).toBeLessThanOrEqual(10 * limit)
    expect(mostWithin(1000, grantedAtMs)).toBeLessThanOrEqual(limit + 1)
  },
)

test('they are spent evenly, not all at the beginning of a second or of its tenth', async () => {
  const { permits } = permitsOf(1000)
  const grantedAtMs = drain([permits], 100)
  await passing(3000)
  expect(mostWithin(50, grantedAtMs)).toBeLessThanOrEqual(80)
  expect(mostWithin(100, grantedAtMs)).toBeLessThanOrEqual(125)
})

test('many who ask at once are few questions to Redis', async () => {
  const { permits, redis } = permitsOf(5000)
  const grantedAtMs = drain([permits], 400)
  await passing(1000)
  expect(grantedAtMs.length).toBeGreaterThan(4000)
  expect(redis.questions).toBeLessThan(250)
})

test('calls that come one by one are asked for together', async () => {
  const { permits, redis } = permitsOf(5000)
  for (let call = 0; call < 100; call++) {
    void permits.take()
    await passing(1)
  }
  expect(redis.questions).toBeLessThanOrEqual(26)
})

test('one that nobody asks puts no question', async () => {
  const { permits, redis } = permitsOf(100)
  expect(await permits.take()).toBe(true)
  const { questions } = redis
  await passing(5000)
  expect([redis.questions, permits.waiting]).toEqual([questions, 0])
})

test('permits that were not used are gone with their window', async () => {
  const { permits } = permitsOf(100)
  const first = [permits.take(), permits.take(), permits.take()]
  await passing(1000)
  expect(await Promise.all(first)).toEqual([true, true, true])
  await passing(60_000)
  const grantedAtMs = drain([permits], 20)
  await passing(40)
  expect(grantedAtMs.length).toBeLessThanOrEqual(9)
})

test('the first who asks is the first who gets one, but for an urgent one, which goes before all', async () => {
  const { permits } = permitsOf(10)
  const order: string[] = []
  const ask = (name: string, isUrgent = false) => void permits.take(undefined, isUrgent).then(() => order.push(name))
  for (const name of ['a', 'b', 'c']) ask(name)
  ask('urgent', true)
  await passing(2000)
  expect(order).toEqual(['urgent', 'a', 'b', 'c'])
})

test('who comes later does not overtake those who wait', async () => {
  const { permits } = permitsOf(10)
  const order: number[] = []
  for (let name = 1; name <= 5; name++) {
    void permits.take().then(() => order.push(name))
    await passing(30)
  }
  await passing(2000)
  expect(order).toEqual([1, 2, 3, 4, 5])
})

test('who has given up gets none, and takes none from the others', async () => {
  const { permits } = permitsOf(5)
  const abort = new AbortController()
  const given = Array.from({ length: 20 }, () => permits.take(abort.signal))
  const last = permits.take()
  abort.abort()
  await passing(600)
  expect(await Promise.all(given)).toEqual(given.map(() => false))
  expect(await last).toBe(true)
})

test('whoever waits is dismissed, and who asks after that waits anew', async () => {
  const { permits } = permitsOf(1)
  const dismissed = [permits.take(), permits.take(), permits.take()]
  permits.dismiss()
  expect(await Promise.all(dismissed)).toEqual([false, false, false])
  const later = permits.take()
  expect(permits.waiting).toBe(1)
  await passing(4000)
  expect(await later).toBe(true)
})

test('what was granted to whoever has gone is the next one’s at once, without another question', async () => {
  const { permits, redis } = permitsOf(100)
  await Promise.all([permits.take(), permits.take()])
  const gone = [permits.take(), permits.take()]
  await passing(10)
  permits.dismiss()
  await passing(15)
  expect(await Promise.all(gone)).toEqual([false, false])
  const { questions } = redis
  const next = permits.take()
  expect(permits.waiting).toBe(0)
  expect([await next, redis.questions]).toEqual([true, questions])
})

test('closed, nobody waits: neither who did nor who comes', async () => {
  const { permits, redis } = permitsOf(1)
  const waiting = [permits.take(), permits.take(), permits.take()]
  permits.close()
  expect(await Promise.all([...waiting, permits.take()])).toEqual([false, false, false, false])
  expect(permits.waiting).toBe(0)
  await passing(4000)
  expect(redis.questions).toBeLessThanOrEqual(1)
})

test('stopped, whoever waits is told no', async () => {
  const { permits } = permitsOf(1)
  await permits.start()
  const waiting = [permits.take(), permits.take(), permits.take()]
  permits.stop()
  expect(await Promise.all(waiting)).toEqual([false, false, false])
})

test('it is short while calls wait because the limit is reached, and only then', async () => {
  const { permits } = permitsOf(10)
  expect(permits.isShort).toBe(false)
  const all = Array.from({ length: 8 }, () => permits.take())
  expect(permits.isShort).toBe(false)
  await passing(300)
  expect([permits.isShort, permits.waiting > 0]).toEqual([true, true])
  await passing(1000)
  await Promise.all(all)
  expect(permits.isShort).toBe(false)
})

test('one that was not used is the next one’s, while it is of this window', async () => {
  const { permits } = permitsOf(1)
  expect(await permits.take()).toBe(true)
  const takenAtMs = Date.now()
  const next = permits.take()
  await passing(10)
  permits.giveBack(takenAtMs)
  expect(permits.waiting).toBe(0)
  expect(await next).toBe(true)
})

test('given back later it is of no use to anybody', async () => {
  const { permits } = permitsOf(1)
  expect(await permits.take()).toBe(true)
  const takenAtMs = Date.now()
  await passing(1100)
  permits.giveBack(takenAtMs)
  const asked = [permits.take(), permits.take()]
  await passing(20)
  expect(permits.waiting).toBe(1)
  permits.giveBack(takenAtMs)
  expect(permits.waiting).toBe(1)
  await passing(3000)
  expect(await Promise.all(asked)).toEqual([true, true])
})

test('without Redis each instance gets its share of the limit, by how many it last knew of', async () => {
  const shared = fakeRedis()
  const all = ['a', 'b', 'c', 'd'].map(name => permitsOf(100, shared, name).permits)
  for (const permits of all) await permits.start()
  await passing(2500)
  shared.redis.isAway = true
  const startMs = Date.now() - START_MS
  const grantedAtMs = drain(all, 50)
  await passing(10_000)
  expect(grantedAtMs.length).toBeGreaterThan(850)
  expect(grantedAtMs.length).toBeLessThanOrEqual(1000)
  expect(Math.min(...grantedAtMs)).toBeLessThan(startMs + 1000)
  expect(mostWithin(1000, grantedAtMs)).toBeLessThanOrEqual(104)
})

test('a Redis that is away is asked again every three seconds, and used as soon as it is back', async () => {
  const { permits, redis } = permitsOf(100)
  redis.isAway = true
  drain([permits], 20)
  await passing(2900)
  expect(redis.questions).toBe(1)
  await passing(3000)
  expect(redis.questions).toBe(2)
  redis.isAway = false
  await passing(4000)
  expect(redis.questions).toBeGreaterThan(10)
})

test('without Redis a limit lower than the number of instances is kept, and each makes a call now and then', async () => {
  const shared = fakeRedis()
  const all = ['a', 'b', 'c'].map(name => permitsOf(1, shared, name).permits)
  for (const permits of all) await permits.start()
  await passing(2500)
  shared.redis.isAway = true
  const grantedAtMs = drain(all, 2)
  await passing(30_000)
  expect(grantedAtMs.length).toBeGreaterThanOrEqual(27)
  expect(grantedAtMs.length).toBeLessThanOrEqual(33)
})

test('it says again and again that it is there, until it stops; who has said nothing for ten seconds does not count', async () => {
  const shared = fakeRedis()
  const { permits } = permitsOf(10, shared, 'a')
  await permits.start()
  expect([...shared.redis.callers.keys()]).toEqual(['a'])
  shared.redis.callers.set('gone', Date.now())
  await passing(9000)
  expect([...shared.redis.callers.keys()]).toEqual(['a', 'gone'])
  await passing(4000)
  expect([...shared.redis.callers]).toEqual([['a', Date.now() - ((Date.now() - START_MS) % 2000)]])
  permits.stop()
  const before = shared.redis.callers.get('a')
  await passing(10_000)
  expect(shared.redis.callers.get('a')).toBe(before)
})
