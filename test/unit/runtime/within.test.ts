import { describe, expect, jest, test } from '@jest/globals'
import { untilAborted, within } from '#runtime/within.ts'

const never = new Promise<string>(() => undefined)
const late = () => 'late'

describe('within', () => {
  test('work that is in time wins, its error too, and keeps no timer', async () => {
    jest.useFakeTimers()
    expect(await within(Promise.resolve('done'), 1000, late)).toBe('done')
    await expect(within(Promise.reject(new Error('no')), 1000, late)).rejects.toThrow('no')
    expect(jest.getTimerCount()).toBe(0)
    jest.useRealTimers()
  })

  test('else what onLate returns or throws', async () => {
    expect(await within(never, 1, late)).toBe('late')
    const onLate = () => {
      throw new Error('too late')
    }
    await expect(within(never, 1, onLate)).rejects.toThrow('too late')
  })
})

describe('untilAborted', () => {
  const abort = () => new AbortController()

  test('waits a grace after the abort, and no longer', async () => {
    const controller = abort()
    const waiting = untilAborted(never, { signal: controller.signal, graceMs: 1 }, late)
    controller.abort()
    expect(await waiting).toBe('late')
  })

  test('a signal that has aborted before counts too', async () => {
    expect(await untilAborted(never, { signal: AbortSignal.abort(), graceMs: 1 }, late)).toBe('late')
  })

  test('work that ends within the grace is waited for', async () => {
    const work = new Promise<string>(resolve => setImmediate(() => resolve('done')))
    expect(await untilAborted(work, { signal: AbortSignal.abort(), graceMs: 60_000 }, late)).toBe('done')
  })

  test('a limit holds without an abort', async () => {
    expect(await untilAborted(never, { signal: abort().signal, graceMs: 60_000, limitMs: 1 }, late)).toBe('late')
  })

  test('keeps neither timer nor listener', async () => {
    jest.useFakeTimers()
    const { signal } = abort()
    const removed = jest.spyOn(signal, 'removeEventListener')
    await untilAborted(Promise.resolve(''), { signal, graceMs: 1000, limitMs: 1000 }, late)
    await untilAborted(Promise.resolve(''), { signal: AbortSignal.abort(), graceMs: 1000 }, late)
    expect([jest.getTimerCount(), removed.mock.calls.length]).toEqual([0, 1])
    jest.useRealTimers()
  })
})
