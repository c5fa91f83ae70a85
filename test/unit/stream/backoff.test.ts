import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { assertBackoff, type Backoff, pauseAfter } from '#stream/backoff.ts'

afterEach(() => void jest.restoreAllMocks())

const FAILURE = new Error('no')
const job = () => ({ id: '1-0' }) as never
/** Pauses after the first, the second, … failure. */
const pausesOf = (backoff: Backoff | undefined, maxBackoffMs?: number, failures = 5) =>
  Array.from({ length: failures }, (_, at) => pauseAfter(backoff, maxBackoffMs)(at + 1, FAILURE, job))

describe('a pause after a failure', () => {
  test('is always the same, doubles each time, or is what the program says', () => {
    expect(pausesOf(70)).toEqual([70, 70, 70, 70, 70])
    expect(pausesOf({ type: 'fixed', delay: 70 })).toEqual([70, 70, 70, 70, 70])
    expect(pausesOf({ type: 'exponential', delay: 100 })).toEqual([100, 200, 400, 800, 1600])
    expect(pausesOf(70, 50, 2)).toEqual([50, 50])
    expect(pausesOf({ type: 'exponential', delay: 100 }, 500)).toEqual([100, 200, 400, 500, 500])
    expect(pausesOf(attemptsMade => attemptsMade * 1000, 10)).toEqual([1000, 2000, 3000, 4000, 5000])
  })

  test('leaves its jitter’s share to chance, and is never longer than without it', () => {
    const options = { type: 'fixed', delay: 100, jitter: 0.25 } as const
    jest.spyOn(Math, 'random').mockReturnValue(0)
    expect(pausesOf(options, undefined, 1)).toEqual([100])
    jest.spyOn(Math, 'random').mockReturnValue(0.8)
    expect(pausesOf(options, undefined, 1)).toEqual([80])
    expect(pausesOf({ ...options, type: 'exponential' }, undefined, 2)).toEqual([80, 160])
  })

  test('is none for an UnrecoverableError, and a strategy’s must be a number', () => {
    const pause = pauseAfter(() => Number.NaN, undefined)
    expect(pause(1, Object.assign(new Error('no'), { name: 'UnrecoverableError' }), job)).toBe(-1)
    expect(() => pause(1, FAILURE, job)).toThrow('the back-off must be a number of ms')
    expect(() => pauseAfter(() => '7' as never, undefined)(1, FAILURE, job)).toThrow('must be a number of ms')
  })
})

describe('back-off options', () => {
  test.each([0, 0.5, 1])('a jitter of %d is a share', jitter => {
    expect(() => assertBackoff({ type: 'fixed', delay: 0, jitter })).not.toThrow()
  })

  test.each([-0.1, 1.1, Number.NaN, '0.5', null, true])('a jitter of %p is none', jitter => {
    expect(() => assertBackoff({ type: 'fixed', delay: 0, jitter })).toThrow(
      'backoff.jitter must be a number from 0 to 1',
    )
  })

  test.each([
    [{ type: 'linear', delay: 1 }, 'backoff.type'],
    [{ type: 'fixed' }, 'backoff.delay'],
    [{ type: 'fixed', delay: -1 }, 'backoff.delay'],
    [-1, 'backoff'],
    ['1s', 'backoff'],
    [null, 'backoff'],
  ])('%p is refused by name', (backoff, name) => {
    expect(() => assertBackoff(backoff)).toThrow(new RegExp(`^${name} must `))
  })

  test.each([0, 1000, () => 5, { type: 'exponential', delay: 1 }])('%p is one', backoff => {
    expect(() => assertBackoff(backoff)).not.toThrow()
  })
})
