import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { StreamPool } from '#stream/index.ts'
import type { ReadResult } from '#stream/pool-member.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'
import { joined, type MemberOptions } from '#test/support/pool-rig.ts'

const NEVER = new Promise<ReadResult>(() => undefined)

let rig: MemoryRig
let pool: StreamPool
beforeEach(async () => {
  rig = await memoryRig()
  jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] })
  pool = new StreamPool({ connection: rig.connection, maxInFlight: 100 })
})
afterEach(async () => {
  await pool.close()
  await rig.connection.close()
  jest.useRealTimers()
})

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

/** What was put off to the next turn of the event loop. */
const nextTurn = () => jest.advanceTimersToNextTimerAsync()

/** A worker whose slots are free again after each read. */
function joining(stream: string, options: MemberOptions = {}) {
  const one = joined(pool, stream, options)
  const { take } = one.member
  one.member.take = async (slots, mayRead) => {
    const found = await take(slots, mayRead)
    one.state.used = 0
    return found
  }
  return one
}

describe('its age', () => {
  test('grows while a read has no answer, also when another worker joins', async () => {
    joining('one', { answers: [NEVER] })
    await passing(1000)
    expect(pool.ageMs).toBe(1000)
    joining('two', { answers: [NEVER] })
    expect(pool.ageMs).toBe(1000)
  })

  test('grows while reads fail, and is small while they are answered', async () => {
    const { member } = joining('one', { answers: Array(20).fill('failed') })
    await passing(2000)
    expect(pool.ageMs).toBe(2000)
    pool.remove(member)
    joining('two')
    await passing(2000)
    expect(pool.ageMs).toBeLessThan(200)
  })

  test('begins with the first worker', async () => {
    await passing(5000)
    joining('one', { answers: [NEVER] })
    expect(pool.ageMs).toBe(0)
  })

  test('is small while nobody can read, and the server is there', async () => {
    const { state } = joining('one', { concurrency: 3 })
    state.used = 3
    await passing(60_000)
    expect(pool.ageMs).toBeLessThan(500)
    await rig.connection.close()
    await passing(60_000)
    expect(pool.ageMs).toBeGreaterThanOrEqual(60_000)
  })
})

describe('slots that are freed', () => {
  /** A worker whose slots are all in use, by a stream that has more. */
  async function full() {
    const one = joined(pool, 'one', { answers: Array(9).fill('full') })
    await nextTurn()
    await nextTurn()
    one.told.reads = []
    return one
  }
  const free = ({ member, state }: Awaited<ReturnType<typeof full>>, slots: number) => {
    state.used = 32 - slots
    pool.freed(member)
  }

  test('as a sixteenth of all are filled in the same turn, each time anew', async () => {
    const one = await full()
    free(one, 2)
    await Promise.resolve()
    expect(one.told.reads).toEqual([2])
    await nextTurn()
    free(one, 20)
    await Promise.resolve()
    expect(one.told.reads).toEqual([2, 20])
  })

  test('as less than that are filled a moment later', async () => {
    const one = await full()
    await passing(1)
    free(one, 1)
    await Promise.resolve()
    expect(one.told.reads).toEqual([])
    await nextTurn()
    expect(one.told.reads).toEqual([1])
  })
})

test('a pool that is closed reads nothing more', async () => {
  const [one, two] = [joining('one'), joining('two')]
  await passing(10)
  await pool.close()
  await passing(1)
  expect([pool.ageMs, jest.getTimerCount()]).toEqual([0, 0])
  one.told.reads = []
  pool.wake(one.member, true)
  pool.wake(two.member, true)
  await passing(1000)
  expect(one.told.reads).toEqual([])
})

describe('a worker that leaves', () => {
  test('takes nothing from the others: they are looked at, read and maintained as before', async () => {
    const [one, two] = [joining('one'), joining('two')]
    await passing(1000)
    pool.remove(one.member)
    two.state.isDue = true
    two.told.reads = []
    await passing(1000)
    expect([two.told.reads.length > 0, two.told.maintained >= 3]).toEqual([true, true])
  })

  test('as the last one leaves no timer behind', async () => {
    const { member } = joining('one')
    await passing(300)
    expect(jest.getTimerCount()).toBeGreaterThan(0)
    pool.remove(member)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('as the last one takes with it that a slot was to wait for others, and the next one’s slots wait anew', async () => {
    /** Has one slot free just after it was read. */
    const joiningFull = async (stream: string) => {
      const one = joined(pool, stream, { answers: ['full', 'full'] })
      await nextTurn()
      one.state.used = 31
      pool.wake(one.member, true)
      await nextTurn()
      expect(one.told.reads).toEqual([32])
      return one
    }
    pool.remove((await joiningFull('one')).member)
    const { told } = await joiningFull('two')
    await passing(2)
    expect(told.reads).toEqual([32, 1])
  })

  test('as the last one while streams are looked at does not keep the pool awake', async () => {
    const all = [joining('one'), joining('two')]
    await passing(200)
    rig.fateOf = ([name]) => {
      if (name?.toLowerCase() === 'xread') for (const { member } of all) pool.remove(member)
      return undefined
    }
    await passing(2000)
    expect(jest.getTimerCount()).toBe(0)
  })
})
