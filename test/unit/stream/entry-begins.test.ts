import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { deadLetter, retryLater } from '#stream/index.ts'
import { RunnerRig, turn } from '#test/support/runner-rig.ts'

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] }))
afterEach(() => void jest.useRealTimers())

const RUN = ['active', 'handler', 'acknowledge', 'completed', 'freed']

test('one that was read just now runs in the same turn', () => {
  const rig = new RunnerRig()
  rig.runner.begin(rig.lease())
  expect(rig.told).toEqual(RUN)
})

test('one that had no bad end runs beside the suspects’ lane', async () => {
  const rig = new RunnerRig()
  rig.says = () => new Promise(() => undefined)
  await rig.begin(rig.lease())
  expect(rig.room()).toBe(1)
})

describe('with a limit', () => {
  test('a permit comes first, and what is counted already is not counted again', async () => {
    const permit = Promise.withResolvers<number>()
    const rig = new RunnerRig({ acquire: () => permit.promise })
    await rig.begin(rig.lease())
    expect(rig.told).toEqual([])
    permit.resolve(0)
    await turn()
    expect(rig.told).toEqual(RUN)
  })

  test('without a permit it waits for the next window, and its delivery is taken back', async () => {
    const rig = new RunnerRig({ acquire: () => Promise.resolve(1) })
    const lease = rig.lease()
    await rig.begin(lease)
    expect([rig.told, lease.state]).toEqual([['take back', 'freed'], 'delayed'])
    jest.advanceTimersByTime(1)
    expect(lease.state).toBe('ready')
  })

  test.each([0, 5])('one that is gone by then is not begun (after %i ms to wait)', async waitMs => {
    const permit = Promise.withResolvers<number>()
    const rig = new RunnerRig({ acquire: () => permit.promise })
    const lease = rig.lease()
    await rig.begin(lease)
    rig.leased.remove(lease)
    permit.resolve(waitMs)
    await turn()
    expect([rig.told, jest.getTimerCount()]).toEqual([[], 0])
  })
})

describe('before one is begun again, its delivery is counted', () => {
  test('without an answer it is put off, and remains what it was', async () => {
    const rig = new RunnerRig()
    rig.counts = () => Promise.reject(new Error('Command timed out'))
    const lease = rig.lease(2, 'suspect')
    await rig.begin(lease)
    expect([rig.told, lease.state, lease.isSuspect]).toEqual([['count', 'freed'], 'delayed', true])
    // Its place in the lane is free, and it has shown nothing.
    expect(rig.room()).toBe(1)
    jest.advanceTimersByTime(500)
    expect([lease.state, rig.told.at(-1)]).toEqual(['suspect', 'ready'])
  })

  test('one that is another’s by now is let go of', async () => {
    const rig = new RunnerRig()
    rig.counts = () => Promise.resolve(false)
    await rig.begin(rig.lease(2, 'suspect'))
    expect(rig.told).toEqual(['count', 'let go', 'freed'])
    expect(rig.room()).toBe(1)
  })

  test.each([
    ['another’s', () => Promise.resolve(false)],
    ['counted', () => Promise.resolve(true)],
    ['not answered for', () => Promise.reject(new Error('Command timed out'))],
  ])('nothing becomes of one that is gone by then: %s', async (_, answer) => {
    const rig = new RunnerRig()
    const asked = Promise.withResolvers<void>()
    rig.counts = () => asked.promise.then(answer)
    const lease = rig.lease(2)
    await rig.begin(lease)
    rig.leased.remove(lease)
    asked.resolve()
    await turn()
    expect([rig.told, lease.isCounted]).toEqual([['count'], false])
  })

  test('counted, it stands against the entry while it runs, until a «not now» takes it back', async () => {
    const rig = new RunnerRig()
    const lease = rig.lease(2)
    let isCounted = false
    rig.says = () => {
      isCounted = lease.isCounted
      return retryLater({ delayMs: 5, reason: 'not now' })
    }
    await rig.begin(lease)
    expect(isCounted).toBe(true)
    expect(rig.told).toEqual(['count', 'active', 'handler', 'take back', 'store 5', 'freed'])
  })
})

describe('a suspect', () => {
  test('has the lane while it runs, and until the server knows that it is done', async () => {
    const rig = new RunnerRig()
    const end = Promise.withResolvers<void>()
    rig.says = () => end.promise
    const lease = rig.lease(2, 'suspect')
    await rig.begin(lease)
    expect(rig.room()).toBe(0)
    end.resolve()
    await turn()
    expect([rig.told.at(-1), lease.isSuspect, rig.room()]).toEqual(['freed', false, 0])
  })

  test('that says «not now» leaves the lane when its delivery is taken back, and has shown that it is none', async () => {
    const rig = new RunnerRig()
    const taken = Promise.withResolvers<void>()
    rig.takesBack = () => taken.promise
    rig.says = () => retryLater({ delayMs: 5, reason: 'not now' })
    await rig.begin(rig.lease(2, 'suspect'))
    expect([rig.told.at(-1), rig.room()]).toEqual(['freed', 0])
    taken.resolve()
    await turn()
    expect(rig.room()).toBe(2)
  })

  test.each([
    ['fails', () => Promise.reject(new Error('boom'))],
    ['is a dead letter', () => deadLetter('no')],
  ])('that %s leaves the lane, and the process lives', async (_, says) => {
    const rig = new RunnerRig()
    rig.says = says
    await rig.begin(rig.lease(2, 'suspect'))
    expect(rig.room()).toBe(2)
  })

  test('that is lost when it says «not now» leaves the lane', async () => {
    const rig = new RunnerRig()
    const lease = rig.lease(2, 'suspect')
    rig.says = () => {
      lease.isLost = true
      return retryLater({ delayMs: 5, reason: 'not now' })
    }
    await rig.begin(lease)
    expect([rig.told.at(-2), rig.room()]).toEqual(['let go', 2])
  })

  test('that fails when it is lost leaves the lane', async () => {
    const rig = new RunnerRig()
    const lease = rig.lease(2, 'suspect')
    rig.says = () => {
      lease.isLost = true
      throw new Error('boom')
    }
    await rig.begin(lease)
    expect([rig.told.at(-2), rig.room()]).toEqual(['let go', 2])
  })

  test('runs once more than others may: alone, since one bad end in company proves nothing', async () => {
    const others = new RunnerRig({ maxDeliveries: 1 })
    await others.begin(others.lease(2))
    expect(others.told).toEqual(['failed', 'letter after 2: delivered 2 times, never finished, poison', 'freed'])
    const rig = new RunnerRig({ maxDeliveries: 1 })
    await rig.begin(rig.lease(2, 'suspect'))
    expect(rig.told).toEqual(['count', ...RUN])
  })

  test('that never finished becomes a dead letter without another run, and has no place in the lane', async () => {
    const rig = new RunnerRig({ maxDeliveries: 3 })
    const written = Promise.withResolvers<boolean>()
    rig.writes = () => written.promise
    const lease = rig.lease(4, 'suspect')
    await rig.begin(lease)
    expect(rig.told).toEqual(['failed', 'letter after 4: delivered 4 times, never finished, poison'])
    expect([lease.state, lease.isSuspect, rig.room()]).toEqual(['active', false, 1])
    written.resolve(true)
    await turn()
    expect([lease.state, rig.told.at(-1)]).toEqual(['gone', 'freed'])
  })
})

describe('a dead letter', () => {
  test('that cannot be written is tried again a second later, and no handler sees its entry any more', async () => {
    const rig = new RunnerRig()
    rig.writes = () => Promise.reject(new Error('Redis is away'))
    rig.says = () => deadLetter('no')
    const lease = rig.lease()
    await rig.begin(lease)
    expect(rig.told).toEqual([
      'active',
      'handler',
      'failed',
      'letter after 1: no, no poison',
      'error',
      'take back',
      'freed',
    ])
    jest.advanceTimersByTime(999)
    expect(lease.state).toBe('delayed')
    jest.advanceTimersByTime(1)
    expect(lease.state).toBe('ready')
    rig.told.length = 0
    rig.writes = () => Promise.resolve(true)
    await rig.begin(lease)
    expect([rig.told, lease.state]).toEqual([['letter after 1: no, no poison', 'freed'], 'gone'])
  })

  test('of one that is another’s by now: let go of', async () => {
    const rig = new RunnerRig()
    rig.writes = () => Promise.resolve(false)
    rig.says = () => deadLetter('no')
    await rig.begin(rig.lease())
    expect(rig.told.slice(-2)).toEqual(['let go', 'freed'])
  })

  test.each([
    ['written', () => Promise.resolve(true), []],
    ['another’s', () => Promise.resolve(false), []],
    ['not written', () => Promise.reject(new Error('Redis is away')), ['error']],
  ])('of one that is gone by then, %s: only its slot is free', async (_, answer, told) => {
    const rig = new RunnerRig()
    const asked = Promise.withResolvers<void>()
    rig.writes = () => asked.promise.then(answer)
    rig.says = () => deadLetter('no')
    const lease = rig.lease()
    await rig.begin(lease)
    rig.leased.remove(lease)
    lease.isLost = true
    rig.told.length = 0
    asked.resolve()
    await turn()
    expect([rig.told, jest.getTimerCount()]).toEqual([[...told, 'freed'], 0])
  })
})

test('a closed runner starts no timer', async () => {
  const rig = new RunnerRig()
  rig.says = () => retryLater({ delayMs: 5, reason: 'not now' })
  rig.runner.close()
  await rig.begin(rig.lease())
  expect([rig.told.at(-1), jest.getTimerCount()]).toEqual(['freed', 0])
})
