import { expect, test } from '@jest/globals'
import { placesOf, unknownFill, usedOf } from '#promotion/intake/stream-fill.ts'

const fillOf = (length: number, used: Partial<ReturnType<typeof unknownFill>> = {}) => ({
  ...unknownFill(),
  length,
  ...used,
})

test('what is given, on its way, or added since the length was read counts as used', () => {
  expect(usedOf(unknownFill())).toBe(0)
  expect(usedOf(fillOf(7, { admitted: 1, adding: 20, addedSinceRead: 300 }))).toBe(321)
})

test.each([
  ['an empty stream, alone', 0, {}, 100, 1, 100],
  ['what it has takes room', 30, {}, 100, 1, 70],
  ['a share of what is free, not of the whole', 50, {}, 100, 0.5, 25],
  ['rounded up: the last place can be had', 99, {}, 100, 0.5, 1],
  ['what is under way takes room', 30, { admitted: 5, adding: 5, addedSinceRead: 10 }, 100, 1, 50],
  ['and all of it from the own share', 0, { adding: 20 }, 100, 0.5, 30],
  ['a full stream', 100, {}, 100, 1, 0],
  ['never less than none', 150, { adding: 3 }, 100, 1, 0],
])('%s', (_name, length, used, limit, share, places) => {
  expect(placesOf(fillOf(length, used), limit, share)).toBe(places)
})
