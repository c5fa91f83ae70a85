import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { CredentialsLatch, clearCredentialsLatch, readCredentialsLatch } from '#money/credentials-latch.ts'
import { createLogger } from '#runtime/logger.ts'

const TICK_MS = 1000
const PROBE_MS = 5000
const stops: (() => void)[] = []

beforeEach(() => void jest.useFakeTimers())
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
  jest.useRealTimers()
})

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

/** GET and SET as the latch uses them, on the test's clock. */
function fakeRedis() {
  const kept = new Map<string, { value: string; endsAtMs: number }>()
  const state = { isAway: false, asked: 0 }
  const answer = async <T>(value: () => T) => {
    state.asked += 1
    if (state.isAway) throw new Error('Redis is away')
    return value()
  }
  const find = (key: string) => {
    const found = kept.get(key)
    return found !== undefined && found.endsAtMs > Date.now() ? found.value : null
  }
  const client = {
    get: (key: string) => answer(() => find(key)),
    set: (key: string, value: string, ...how: (string | number)[]) =>
      answer(() => {
        if (how.includes('NX') && find(key) !== null) return null
        const endsAtMs = how[0] === 'PX' ? Date.now() + Number(how[1]) : Number.POSITIVE_INFINITY
        kept.set(key, { value, endsAtMs })
        return 'OK'
      }),
  } as never
  const texts = () => [...kept.keys()].map(find).filter(text => text !== null)
  return { client, state, texts, wipe: () => kept.clear() }
}

type FakeRedis = ReturnType<typeof fakeRedis>

/** An instance; what it was told, and how often it probed. */
async function open(redis: FakeRedis, probe: () => boolean | undefined | Promise<boolean | undefined> = () => false) {
  const told: (string | undefined)[] = []
  const counts = { probes: 0 }
  const latch = new CredentialsLatch({
    redis: redis.client,
    logger: createLogger('test', 'silent'),
    onChange: refusal => void told.push(refusal?.code),
    probe: async () => {
      counts.probes += 1
      return probe()
    },
    tickMs: TICK_MS,
    probeIntervalMs: PROBE_MS,
  })
  stops.push(() => latch.stop())
  await latch.start()
  return { latch, told, counts }
}

test('what one instance is refused all hold to within a tick, with the time and status of the first', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  one.latch.refused('HTTP_401')
  await passing(0)
  other.latch.refused('HTTP_403')
  await passing(2 * TICK_MS)
  expect(other.latch.refusal).toEqual(one.latch.refusal)
  expect(await readCredentialsLatch(redis.client)).toEqual(one.latch.refusal)
  expect(one.latch.refusal?.code).toBe('HTTP_401')

  const third = await open(redis)
  expect([third.latch.refusal, third.told]).toEqual([one.latch.refusal, ['HTTP_401']])
})

test('one that hears of a refusal is told of it once', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  one.latch.refused('HTTP_401')
  await passing(4 * TICK_MS)
  expect(other.told).toEqual(['HTTP_401'])
})

test('of all instances one probes at a time, and its success lifts it for all', async () => {
  const redis = fakeRedis()
  let isTaken = false
  const all = [await open(redis, () => isTaken), await open(redis, () => isTaken), await open(redis, () => isTaken)]
  const probes = () => all.reduce((sum, { counts }) => sum + counts.probes, 0)
  all[0]?.latch.refused('HTTP_401')
  await passing(16_500)
  expect(probes()).toBe(3)
  isTaken = true
  await passing(PROBE_MS + TICK_MS)
  expect(probes()).toBe(4)
  expect(all.map(({ latch }) => latch.refusal)).toEqual([undefined, undefined, undefined])
  expect(all.map(({ told }) => told)).toEqual(all.map(() => ['HTTP_401', undefined]))
  expect(await readCredentialsLatch(redis.client)).toBeUndefined()
})

test('the others go on probing when the one that was refused is gone', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis, () => true)]
  one.latch.refused('HTTP_401')
  await passing(TICK_MS)
  one.latch.stop()
  await passing(PROBE_MS + TICK_MS)
  expect([other.counts.probes, other.told]).toEqual([1, ['HTTP_401', undefined]])
})

test('an operator clears it: all go on within two ticks without a probe, and hear who was refused', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  one.latch.refused('HTTP_401')
  await passing(2 * TICK_MS)
  const { refusal } = one.latch
  expect(await clearCredentialsLatch(redis.client)).toEqual(refusal)
  await passing(2 * TICK_MS)
  expect([one.told, other.told]).toEqual([
    ['HTTP_401', undefined],
    ['HTTP_401', undefined],
  ])
  expect([one.counts.probes, other.counts.probes]).toEqual([0, 0])
  expect(await clearCredentialsLatch(redis.client)).toBeUndefined()
})

test('one that is refused again after that tells all again', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  one.latch.refused('HTTP_401')
  await passing(TICK_MS)
  await clearCredentialsLatch(redis.client)
  await passing(TICK_MS)
  one.latch.refused('HTTP_403')
  await passing(2 * TICK_MS)
  expect([one.told, other.told]).toEqual([
    ['HTTP_401', undefined, 'HTTP_403'],
    ['HTTP_401', undefined, 'HTTP_403'],
  ])
})

test('a wiped Redis lifts nothing: whoever knows of the refusal says it again', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  one.latch.refused('HTTP_401')
  await passing(2 * TICK_MS)
  redis.wipe()
  await passing(2 * TICK_MS)
  expect([one.told, other.told]).toEqual([['HTTP_401'], ['HTTP_401']])
  expect(await readCredentialsLatch(redis.client)).toEqual(one.latch.refusal)
})

test('a refusal that Redis could not be told of is told when it is back, though another one was lifted before', async () => {
  const redis = fakeRedis()
  const [one, other] = [await open(redis), await open(redis)]
  await clearCredentialsLatch(redis.client)
  redis.state.isAway = true
  one.latch.refused('HTTP_401')
  await passing(2 * TICK_MS)
  expect([one.told, other.told]).toEqual([['HTTP_401'], []])
  redis.state.isAway = false
  await passing(2 * TICK_MS)
  expect([one.told, other.told]).toEqual([['HTTP_401'], ['HTTP_401']])
})

test('that it was lifted is remembered for an hour', async () => {
  const redis = fakeRedis()
  await clearCredentialsLatch(redis.client)
  await passing(3_599_000)
  expect(redis.texts()).toEqual([expect.stringContaining('liftedAt')])
  await passing(1000)
  expect(redis.texts()).toEqual([])
})

test('while a probe is under way no other one begins', async () => {
  const redis = fakeRedis()
  const answer = Promise.withResolvers<boolean>()
  const { latch, counts } = await open(redis, () => answer.promise)
  latch.refused('HTTP_401')
  await passing(4 * PROBE_MS)
  expect(counts.probes).toBe(1)
  answer.resolve(true)
  await passing(0)
  expect(latch.refusal).toBeUndefined()
})

test('one that is stopped asks Redis no more', async () => {
  const redis = fakeRedis()
  const { latch } = await open(redis)
  latch.stop()
  const { asked } = redis.state
  await passing(10 * TICK_MS)
  expect(redis.state.asked).toBe(asked)
})
