import { expect, test } from '@jest/globals'
import { type LetterBounds, letterBoundsOf } from '#stream/letter-bounds.ts'

test.each<[value: number | false | LetterBounds | undefined, count: number, ageSeconds: number | undefined]>([
  [undefined, 100_000, undefined],
  [{}, 100_000, undefined],
  [false, Number.POSITIVE_INFINITY, undefined],
  [7, 7, undefined],
  [{ count: 7 }, 7, undefined],
  [{ age: 60 }, 100_000, 60],
  [{ count: 7, age: 60 }, 7, 60],
])('%j keeps at most %d letters, for %s s', (value, count, ageSeconds) => {
  expect(letterBoundsOf(value)).toEqual({ count, ageSeconds })
})

test.each<[value: unknown, why: RegExp]>([
  [true, /^removeOnFail must not be true, which would lose what failed/],
  [0, /^removeOnFail must /],
  [Number.NaN, /^removeOnFail must /],
  [null, /^removeOnFail must /],
  ['7', /^removeOnFail must /],
  [{ count: 0 }, /^removeOnFail\.count must /],
  [{ age: -1 }, /^removeOnFail\.age must /],
])('%j is refused by name', (value, why) => {
  expect(() => letterBoundsOf(value as LetterBounds)).toThrow(TypeError)
  expect(() => letterBoundsOf(value as LetterBounds)).toThrow(why)
})
