import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Cluster, type Redis } from 'ioredis'
import { createProcessReporter, listReports } from '#promotion/consumers/process-reports.ts'
import { createLogger } from '#runtime/logger.ts'

beforeEach(() => void jest.useFakeTimers({ now: 1_000_000_000_000 }))
afterEach(() => void jest.useRealTimers())

/** The commands that reports need, on texts and one sorted set; `calls` = their names. */
function fakeRedis(isCluster = false) {
  const texts = new Map<string, string>()
  const index = new Map<string, number>()
  const calls: string[] = []
  const world = { isAway: false }
  const commands = {
    set: (key: string, text: string) => void texts.set(key, text),
    get: (key: string) => texts.get(key) ?? null,
    mget: (keys: string[]) => keys.map(key => texts.get(key) ?? null),
    del: (key: string) => texts.delete(key),
    zadd: (_key: string, score: number, member: string) => void index.set(member, Number(score)),
    zrem: (_key: string, member: string) => index.delete(member),
    zrangebyscore: (_key: string, from: number) => [...index].filter(([, at]) => at >= from).map(([member]) => member),
    zremrangebyscore: (_key: string, _from: string, to: string) => {
      for (const [member, at] of index) if (at <= Number(to)) index.delete(member)
    },
  }
  const answering = Object.entries(commands).map(([name, run]) => [
    name,
    async (...args: never[]) => {
      calls.push(name)
      if (world.isAway) throw new Error('redis is away')
      return (run as (...args: never[]) => unknown)(...args)
    },
  ])
  const redis = Object.assign(isCluster ? Object.create(Cluster.prototype) : {}, Object.fromEntries(answering)) as Redis
  return { redis, texts, index, calls, world }
}

const logger = createLogger('test', 'silent')

test('a process says at its start, and each second, who it is and what it does, until it stops', async () => {
  const { redis, index } = fakeRedis()
  let slots = 0
  const reporter = createProcessReporter({ redis, kind: 'worker', describe: () => ({ slots: ++slots }), logger })
  const said = async () => (await listReports(redis)).workers
  expect(await said()).toEqual([])
  await reporter.start()
  const startedAt = new Date().toISOString()
  expect(await said()).toMatchObject([
    { instance: reporter.instance, pid: process.pid, startedAt, at: startedAt, slots: 1 },
  ])
  await jest.advanceTimersByTimeAsync(1000)
  expect(await said()).toMatchObject([{ startedAt, at: new Date().toISOString(), slots: 2 }])
  await reporter.stop()
  await jest.advanceTimersByTimeAsync(5000)
  expect([await said(), index.size, slots]).toEqual([[], 0, 2])
})

test.each([false, true])(
  'workers and listeners are told apart, each in the order of their names (cluster: %s)',
  async isCluster => {
    const { redis, texts, index, calls } = fakeRedis(isCluster)
    for (const member of ['b', 'listener:2', 'a', 'listener:1', 'c']) {
      index.set(member, Date.now())
      texts.set(`promostream:instance:${member}`, JSON.stringify({ instance: member.replace('listener:', '') }))
    }
    index.set('has no record', Date.now())
    const { workers, listeners, hadListener } = await listReports(redis)
    const named = (...names: string[]) => names.map(instance => ({ instance }))
    expect([workers, listeners, hadListener]).toEqual([named('a', 'b', 'c'), named('1', '2'), true])
    expect(calls.includes('mget')).toBe(!isCluster)
  },
)

test('who has not reported for a minute is not asked for, whatever is left of its record', async () => {
  const { redis, texts, index } = fakeRedis()
  index.set('a', Date.now() - 60_001)
  index.set('listener:b', Date.now() - 60_001)
  texts.set('promostream:instance:a', '{"instance":"a"}')
  expect(await listReports(redis)).toEqual({ workers: [], listeners: [], hadListener: false })
})

test('a listener’s name stays when it stops, its record does not', async () => {
  const { redis } = fakeRedis()
  const reporter = createProcessReporter({ redis, kind: 'listener', logger })
  await reporter.start()
  expect(await listReports(redis)).toMatchObject({ workers: [], listeners: [{ instance: reporter.instance }] })
  await reporter.stop()
  expect(await listReports(redis)).toEqual({ workers: [], listeners: [], hadListener: true })
})

test('a Redis that is away keeps no process from its start, its work or its stop', async () => {
  const { redis, world } = fakeRedis()
  world.isAway = true
  const reporter = createProcessReporter({ redis, kind: 'worker', logger })
  await reporter.start()
  await jest.advanceTimersByTimeAsync(1000)
  world.isAway = false
  await jest.advanceTimersByTimeAsync(1000)
  expect((await listReports(redis)).workers).toHaveLength(1)
  world.isAway = true
  await reporter.stop()
})

test('the dead are forgotten after an hour, looked for once a minute', async () => {
  const { redis, index, calls } = fakeRedis()
  index.set('dead', Date.now() - 3_600_000 + 30_000)
  const reporter = createProcessReporter({ redis, kind: 'worker', logger })
  const looks = () => calls.filter(name => name === 'zremrangebyscore').length
  await reporter.start()
  await jest.advanceTimersByTimeAsync(59_000)
  expect([looks(), index.has('dead')]).toEqual([1, true])
  await jest.advanceTimersByTimeAsync(1000)
  expect([looks(), index.has('dead')]).toEqual([2, false])
  await reporter.stop()
})
