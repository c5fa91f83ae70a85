import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { StreamPool } from '#stream/index.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { joined, type MemberOptions } from '#test/support/pool-rig.ts'

let pool: StreamPool

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] })
  pool = new StreamPool({ connection: createMemoryConnection(new MemoryServer()), maxInFlight: 100 })
})
afterEach(async () => {
  await pool.close()
  jest.useRealTimers()
})

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

const joining = (stream: string, options: MemberOptions = {}) => joined(pool, stream, options)

test('no more slots are given than the pool has, nor after that number was lowered', async () => {
  const [one, two] = [joining('one', { concurrency: 80 }), joining('two', { concurrency: 80 })]
  await passing(1)
  expect([one.told.reads, two.told.reads]).toEqual([[50], [50]])
  pool.maxInFlight = 60
  expect(pool.maxInFlight).toBe(60)
  one.state.used = 20
  pool.wake(one.member, true)
  await passing(1)
  expect(one.told.reads).toEqual([50])
  two.state.used = 10
  pool.wake(two.member, true)
  await passing(1)
  expect(one.told.reads.length + two.told.reads.length).toBeGreaterThan(2)
  expect(one.state.used + two.state.used).toBe(60)
  expect(() => {
    pool.maxInFlight = 0.5
  }).toThrow(TypeError)
})

test('slots that many handlers free at once are filled before the rest of this turn of the event loop', async () => {
  const { member, told, state } = joining('one', { answers: ['full'] })
  await passing(1)
  expect(told.reads).toEqual([32])
  await passing(5)
  state.used = 16
  pool.freed(member)
  pool.freed(member)
  await Promise.resolve()
  expect(told.reads).toEqual([32, 16])
})

test('one slot that is freed waits for others: a read for all of them comes a moment later', async () => {
  const { member, told, state } = joining('one', { answers: ['full', 'full'] })
  await passing(1)
  state.used = 31
  pool.freed(member)
  await Promise.resolve()
  expect(told.reads).toEqual([32])
  state.used = 24
  pool.freed(member)
  await passing(2)
  expect(told.reads).toEqual([32, 8])
})

test('entries that were read before are begun as slots become free, also where nothing more is to be read', async () => {
  const { member, told, state } = joining('one', { concurrency: 4, ready: 3 })
  await passing(1)
  await passing(1)
  state.used = 0
  pool.wake(member)
  await passing(1)
  expect(state.ready).toBe(0)
  expect(told.begun + told.reads.reduce((sum, slots) => sum + slots, 0)).toBeGreaterThanOrEqual(3)
})

test('without workers it is never old; with one its age is since the last answer', async () => {
  await passing(60_000)
  expect(pool.ageMs).toBe(0)
  const { member, state } = joining('one', { concurrency: 1, answers: ['failed', 'failed'] })
  expect(pool.ageMs).toBe(0)
  state.used = 1
  await passing(10)
  expect(pool.ageMs).toBeGreaterThanOrEqual(0)
  pool.remove(member)
  await passing(60_000)
  expect(pool.ageMs).toBe(0)
})

test('a worker that has left is not read for any more, whoever wakes it', async () => {
  const { member, told } = joining('one')
  const other = joining('two')
  await passing(1)
  const { length } = told.reads
  pool.remove(member)
  pool.wake(member, true)
  pool.freed(member)
  await passing(5000)
  expect(told.reads).toHaveLength(length)
  pool.wake(other.member, true)
  other.state.used = 0
  await passing(5)
  expect(other.told.reads.length).toBeGreaterThan(1)
})

test('the last that leaves takes all timers with it', async () => {
  const { member } = joining('one')
  await passing(300)
  pool.remove(member)
  await passing(1000)
  expect(jest.getTimerCount()).toBe(0)
})
