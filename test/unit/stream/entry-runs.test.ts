import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { deadLetter, retryLater } from '#stream/index.ts'
import { RunnerRig, turn } from '#test/support/runner-rig.ts'

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] }))
afterEach(() => void jest.useRealTimers())

describe('what a handler says', () => {
  test.each([
    ['as a value', () => 7],
    ['as a promise', async () => 7],
    // biome-ignore lint/suspicious/noThenProperty: a promise of another maker
    ['as a promise of another maker', () => ({ then: (tell: (value: number) => void) => tell(7) })],
  ])('nothing, %s: acknowledged, its result told, its slot free', async (_, says) => {
    const rig = new RunnerRig()
    rig.says = says
    const lease = rig.lease()
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'acknowledge', 'completed', 'freed'])
    expect([rig.errors, lease.state]).toEqual([['result: 7'], 'acking'])
  })

  test('not now: it waits, holds no slot and costs no delivery', async () => {
    const rig = new RunnerRig()
    rig.says = () => retryLater({ delayMs: 50, reason: 'not now' })
    const lease = rig.lease()
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'take back', 'store 50', 'freed'])
    jest.advanceTimersByTime(49)
    expect(lease.state).toBe('delayed')
    jest.advanceTimersByTime(1)
    expect([lease.state, rig.told.at(-1), lease.timer, lease.entry.deliveries]).toEqual([
      'ready',
      'ready',
      undefined,
      1,
    ])
  })

  test('not now, of one that was lost meanwhile: its new owner decides', async () => {
    const rig = new RunnerRig()
    const lease = rig.lease()
    rig.says = () => {
      lease.isLost = true
      return retryLater({ delayMs: 50, reason: 'not now' })
    }
    await rig.begin(lease)
    expect([rig.told, jest.getTimerCount()]).toEqual([['active', 'handler', 'let go', 'freed'], 0])
  })

  test('a dead letter: written, then it is gone and its slot free', async () => {
    const rig = new RunnerRig()
    rig.says = () => deadLetter('no such member')
    const lease = rig.lease()
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'failed', 'letter after 1: no such member, no poison', 'freed'])
    expect([lease.state, rig.errors]).toEqual(['gone', ['no such member']])
  })

  test('what cannot be obeyed counts as a failure', async () => {
    const rig = new RunnerRig()
    rig.says = () => ({ kind: 'retry-later', delayMs: 'soon', reason: '' })
    const lease = rig.lease()
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'failed', 'freed'])
    expect([lease.state, lease.entry.deliveries]).toEqual(['delayed', 2])
  })

  test.each([
    ['done', () => undefined],
    ['fails', () => Promise.reject(new Error('boom'))],
  ])('of an entry that is gone by then: %s changes nothing', async (_, says) => {
    const rig = new RunnerRig()
    const lease = rig.lease()
    const late = Promise.withResolvers<void>()
    rig.says = () => late.promise.then(says)
    await rig.begin(lease)
    rig.leased.remove(lease)
    late.resolve()
    await turn()
    expect(rig.told).toEqual(['active', 'handler'])
  })
})

describe('a handler that fails', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])('%s: it comes again after a pause, with one delivery more, which is counted before it runs', async (_, says) => {
    const rig = new RunnerRig()
    rig.says = says
    const lease = rig.lease()
    await rig.begin(lease)
    expect([rig.told, rig.errors]).toEqual([['active', 'handler', 'failed', 'freed'], ['boom']])
    expect([lease.state, lease.isCounted, lease.entry.deliveries]).toEqual(['delayed', false, 2])
    jest.advanceTimersByTime(200)
    expect(lease.state).toBe('ready')
    rig.told.length = 0
    rig.says = () => undefined
    await rig.begin(lease)
    expect(rig.told).toEqual(['count', 'active', 'handler', 'acknowledge', 'completed', 'freed'])
  })

  test.each([
    [1, 'failed once, with: boom'],
    [3, 'failed 3 times, the last with: boom'],
  ])('for the last of %i times: a dead letter that says so', async (times, reason) => {
    const rig = new RunnerRig({ maxDeliveries: times })
    rig.says = () => Promise.reject(new Error('boom'))
    const lease = rig.lease(times)
    await rig.begin(lease)
    expect(rig.told.slice(-4)).toEqual(['failed', 'failed', `letter after ${times}: ${reason}, poison`, 'freed'])
    expect(lease.state).toBe('gone')
  })

  test('of a lost entry: its new owner has the next try, and no letter is written', async () => {
    const rig = new RunnerRig({ maxDeliveries: 1 })
    const lease = rig.lease()
    rig.says = () => {
      lease.isLost = true
      throw new Error('boom')
    }
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'failed', 'let go', 'freed'])
  })

  test('because it was told to stop: given up with the rest, and its delivery is still the one to take back', async () => {
    const rig = new RunnerRig({ maxDeliveries: 1 })
    const lease = rig.lease()
    rig.says = () => {
      rig.abort.abort()
      throw new Error('stopped')
    }
    await rig.begin(lease)
    expect(rig.told).toEqual(['active', 'handler', 'failed', 'freed'])
    expect([lease.state, lease.isCounted, lease.entry.deliveries, jest.getTimerCount()]).toEqual([
      'delayed',
      true,
      1,
      0,
    ])
  })

  test('a pause of one’s own is asked for with the runs that there were; below 0 means never again', async () => {
    const asked: unknown[] = []
    let pauseMs = 30
    const backoffMs = (runs: number, { message }: Error) => {
      asked.push([runs, message])
      return pauseMs
    }
    const rig = new RunnerRig({ backoffMs })
    rig.says = () => Promise.reject(new Error('boom'))
    const lease = rig.lease()
    await rig.begin(lease)
    jest.advanceTimersByTime(29)
    expect(lease.state).toBe('delayed')
    jest.advanceTimersByTime(1)
    expect(lease.state).toBe('ready')
    pauseMs = -1
    await rig.begin(lease)
    expect(asked).toEqual([
      [1, 'boom'],
      [2, 'boom'],
    ])
    expect(rig.told.slice(-3)).toEqual(['failed', 'letter after 2: boom, no poison', 'freed'])
    expect(lease.state).toBe('gone')
  })

  test('none at all is a pause too; where the question itself fails, that is told, and the usual one taken', async () => {
    const rig = new RunnerRig({ backoffMs: () => 0 })
    rig.says = () => Promise.reject(new Error('boom'))
    const lease = rig.lease()
    await rig.begin(lease)
    expect(lease.state).toBe('delayed')
    const bad = new RunnerRig({
      backoffMs: () => {
        throw new Error('no idea')
      },
    })
    bad.says = rig.says
    const other = bad.lease()
    await bad.begin(other)
    expect([bad.errors, other.state]).toEqual([['boom', 'no idea'], 'delayed'])
    jest.advanceTimersByTime(200)
    expect(other.state).toBe('ready')
  })
})
