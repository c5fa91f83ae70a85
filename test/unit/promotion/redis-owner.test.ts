import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
import type { ProcessRepository } from '#database/processes.ts'
import {
  assertNoStranger,
  assertOwnRedis,
  createRedisOwner,
  type OwnedRedis,
  ownerKey,
  readOwner,
  takeOver,
} from '#promotion/redis-owner.ts'
import type { Logger } from '#runtime/logger.ts'

const US = { system: '7', name: 'ours' }
const THEIRS = { system: '8', name: 'theirs' }
const refusal = (message: string) => Object.assign(new ReplyError(message), { message })

/** A Redis that keeps marks, refuses writes with `refuses`, and what it was told. */
function redisOf() {
  const world = { marks: new Map<string, string>(), refuses: undefined as Error | undefined, writes: 0 }
  const client = {
    options: {},
    get: async (key: string) => world.marks.get(key) ?? null,
    set: async (key: string, value: string, condition?: 'NX') => {
      world.writes += 1
      if (world.refuses !== undefined) throw world.refuses
      if (condition !== 'NX' || !world.marks.has(key)) world.marks.set(key, value)
    },
  } as unknown as OwnedRedis['client']
  return { world, redis: { variable: 'REDIS_URL', client } as const satisfies OwnedRedis }
}

/** Two Redis servers under the prefix `p:`, and a process of the installation `US` that begins there. */
function create() {
  const [first, second] = [redisOf(), redisOf()]
  const did: string[] = []
  const world = { other: undefined as object | undefined, isDatabaseAway: false }
  const say = async (what: string) => {
    did.push(what)
    if (world.isDatabaseAway) throw new Error('the database is away')
  }
  const processes = {
    identity: async () => US,
    findOther: async (prefix: string, aliveMs: number) => {
      did.push(`other than ${prefix} in ${aliveMs}`)
      return world.other
    },
    report: ({ kind, keyPrefix }: { kind: string; keyPrefix: string }) => say(`report ${kind} ${keyPrefix}`),
    remove: () => say('remove'),
  } as unknown as ProcessRepository
  const parts = { processes, redis: [first.redis, second.redis], keyPrefix: 'p:' }
  const fatal: string[] = []
  const owner = createRedisOwner({
    ...{ ...parts, kind: 'worker', logger: { debug: () => undefined } as unknown as Logger },
    onFatal: error => void fatal.push((error as Error & { code: string }).code),
  })
  return { first, second, world, parts, did, fatal, owner }
}

const isMarked = async ({ redis }: ReturnType<typeof redisOf>) => (await readOwner(redis, 'p:'))?.name

test('the mark stands under the prefix, and says since when', async () => {
  jest.useFakeTimers({ now: 1000 })
  const { world, redis } = redisOf()
  expect(await readOwner(redis, 'p:')).toBeUndefined()
  await takeOver(redis, 'p:', THEIRS)
  await takeOver(redis, 'p:', US)
  jest.useRealTimers()
  expect([...world.marks.keys()]).toEqual([ownerKey('p:')])
  expect(await readOwner(redis, 'p:')).toEqual({ ...US, since: '1970-01-01T00:00:01.000Z' })
  expect(await readOwner(redis, '')).toBeUndefined()
})

describe('a process that begins', () => {
  test('marks every Redis that nobody has marked, and none of its own again', async () => {
    const { first, second, parts } = create()
    await takeOver(first.redis, 'p:', US)
    await assertOwnRedis(parts, US)
    expect([await isMarked(first), await isMarked(second)]).toEqual(['ours', 'ours'])
  })

  test.each([
    ['name', { ...US, name: 'other' }],
    ['system', { ...US, system: '8' }],
  ])('is refused by the mark of a database of another %s', async (_what, mark) => {
    const { second, parts } = create()
    await takeOver(second.redis, 'p:', mark)
    await expect(assertOwnRedis(parts, US)).rejects.toMatchObject({ code: 'REDIS_OWNER' })
    await expect(assertNoStranger(parts, US)).rejects.toMatchObject({ code: 'REDIS_OWNER' })
    expect(await readOwner(second.redis, 'p:')).toMatchObject(mark)
  })

  test('is refused beside one that lives under another prefix, before a mark is set', async () => {
    const { first, world, parts, did } = create()
    world.other = { kind: 'listener', instance: 'a', keyPrefix: '' }
    const message = expect.stringMatching(
      /listener a runs .* with no REDIS_KEY_PREFIX, this process has REDIS_KEY_PREFIX=p:/,
    )
    await expect(assertOwnRedis(parts, US)).rejects.toMatchObject({ code: 'REDIS_KEY_PREFIX', message })
    await expect(assertNoStranger(parts, US)).rejects.toMatchObject({ code: 'REDIS_KEY_PREFIX' })
    expect([did[0], first.world.writes]).toEqual(['other than p: in 10000', 0])
  })

  test('out of memory goes by the mark that there is', async () => {
    const { first, second, parts } = create()
    second.world.refuses = refusal('OOM command not allowed')
    await assertOwnRedis(parts, US)
    await takeOver(first.redis, 'p:', THEIRS)
    first.world.refuses = second.world.refuses
    await expect(assertOwnRedis(parts, US)).rejects.toMatchObject({ code: 'REDIS_OWNER' })
  })

  test.each([refusal('NOPERM no'), new Error('OOM says who is no Redis')])(
    'is refused with the Redis (%s)',
    async error => {
      const { first, parts } = create()
      first.world.refuses = error
      const message = expect.stringContaining('REDIS_URL')
      await expect(assertOwnRedis(parts, US)).rejects.toMatchObject({ code: 'REDIS_REFUSED', message })
    },
  )

  test('that only looks marks nothing', async () => {
    const { first, second, parts } = create()
    await assertNoStranger(parts, US)
    expect([first.world.writes, second.world.writes]).toEqual([0, 0])
  })
})

describe('the owner', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())
  const REPORT = 'report worker p:'
  const ASK = 'other than p: in 10000'

  test('says that it is there before it asks for others, then every two seconds until it stops', async () => {
    const { owner, did, fatal } = create()
    await owner.start()
    expect(did).toEqual([REPORT, ASK])
    await jest.advanceTimersByTimeAsync(4000)
    expect(did.slice(2)).toEqual([REPORT, REPORT])
    await owner.stop()
    await jest.advanceTimersByTimeAsync(10_000)
    expect([did.slice(4), fatal]).toEqual([['remove'], []])
  })

  test('that is refused takes back that it is there', async () => {
    const { owner, did, first } = create()
    await takeOver(first.redis, 'p:', THEIRS)
    await expect(owner.start()).rejects.toMatchObject({ code: 'REDIS_OWNER' })
    expect(did).toEqual([REPORT, ASK, 'remove'])
    await jest.advanceTimersByTimeAsync(4000)
    expect(did).toHaveLength(3)
  })

  test('marks again a Redis that has lost its mark, each of them', async () => {
    const { owner, first, second } = create()
    await owner.start()
    for (const { world } of [first, second]) world.marks.clear()
    await jest.advanceTimersByTimeAsync(2000)
    expect([await isMarked(first), await isMarked(second)]).toEqual(['ours', 'ours'])
    await owner.stop()
  })

  test('ends its process when another database takes the Redis over, and for nothing less', async () => {
    const { owner, world, first, fatal, did } = create()
    await owner.start()
    world.isDatabaseAway = true
    await jest.advanceTimersByTimeAsync(4000)
    expect([fatal, did.slice(2)]).toEqual([[], [REPORT, REPORT]])
    world.isDatabaseAway = false
    first.world.refuses = refusal('NOPERM no')
    await jest.advanceTimersByTimeAsync(2000)
    first.world.refuses = undefined
    expect(fatal).toEqual([])
    await takeOver(first.redis, 'p:', THEIRS)
    await jest.advanceTimersByTimeAsync(2000)
    expect(fatal).toEqual(['REDIS_OWNER'])
    world.isDatabaseAway = true
    await owner.stop()
  })

  test('looks once at a time', async () => {
    const { owner, parts, did } = create()
    await owner.start()
    const answer = Promise.withResolvers<void>()
    const { report } = parts.processes
    parts.processes.report = async told => {
      await report(told)
      await answer.promise
    }
    await jest.advanceTimersByTimeAsync(6000)
    expect(did.slice(2)).toEqual([REPORT])
    answer.resolve()
    await jest.advanceTimersByTimeAsync(2000)
    expect(did.slice(2)).toEqual([REPORT, REPORT])
    await owner.stop()
  })
})
