import { expect, test } from '@jest/globals'
import { deadLetter, retryLater, saidBy } from '#stream/outcome.ts'

test.each([undefined, null, 7, 'dead-letter', true, {}, { kind: 'other', delayMs: 5, reason: 'x' }, []])(
  'a result that is no outcome means done: %p',
  value => {
    expect(saidBy(value)).toBeUndefined()
  },
)

test('an outcome is what it was made as, also where its type was lost on the way', () => {
  const later = retryLater({ delayMs: 5, reason: 'not now' })
  expect(saidBy(later)).toEqual({ kind: 'retry-later', delayMs: 5, reason: 'not now' })
  expect(saidBy(deadLetter('no'))).toEqual({ kind: 'dead-letter', reason: 'no' })
  expect(saidBy(deadLetter('two\nlines'))).toEqual({ kind: 'dead-letter', reason: 'two\nlines' })
  expect(saidBy({ kind: 'dead-letter', reason: new Error('no member\nat line 1') })).toEqual(deadLetter('no member'))
  expect(saidBy({ kind: 'retry-later', delayMs: 5, reason: 7 })).toEqual({ ...later, reason: '7' })
})

test('a pause below 0 is none, and one without an end is one', () => {
  expect(retryLater({ delayMs: -5, reason: '' }).delayMs).toBe(0)
  expect(retryLater({ delayMs: Number.POSITIVE_INFINITY, reason: '' }).delayMs).toBe(Number.POSITIVE_INFINITY)
})

test.each([undefined, null, '5', Number.NaN, 5n])('a pause that is no number cannot be obeyed: %p', delayMs => {
  expect(() => retryLater({ delayMs: delayMs as number, reason: '' })).toThrow(TypeError)
  expect(() => saidBy({ kind: 'retry-later', delayMs, reason: '' })).toThrow(TypeError)
})
