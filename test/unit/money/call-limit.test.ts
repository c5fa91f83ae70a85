import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { LOOK_INTERVAL_MS } from '#money/adaptive-limit.ts'
import { CallLimit } from '#money/call-limit.ts'
import type { CallWindow } from '#money/call-window.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** A limit over a window with so many calls under way; `look` lets that many calls end before the next look. */
function limitOf(most = 1000) {
  const window = { max: 0, underWay: 0 }
  const limit = new CallLimit(window as unknown as CallWindow, most)
  const look = ({ calls = 100, seconds = 0.05, failed = 0, underWay = window.max }) => {
    window.underWay = underWay
    for (let call = 1; call < calls; call++) limit.add(seconds, call > failed)
    window.underWay = 0
    jest.advanceTimersByTime(LOOK_INTERVAL_MS)
    limit.add(seconds, true)
    return limit.limit
  }
  return { window, limit, look }
}

test('it begins with ten, or the most, and narrows its window to that', () => {
  expect([limitOf().window.max, limitOf(4).window.max, limitOf(4).limit.limit]).toEqual([10, 4, 4])
})

test('what is used and keeps its pace doubles, look by look, up to the most; the window follows', () => {
  const { window, look } = limitOf(50)
  expect([look({}), look({}), look({}), look({})]).toEqual([20, 40, 50, 50])
  expect(window.max).toBe(50)
})

test('between two looks nothing changes', () => {
  const { limit } = limitOf()
  jest.advanceTimersByTime(LOOK_INTERVAL_MS - 1)
  for (let call = 0; call < 100; call++) limit.add(0.05, true)
  expect(limit.limit).toBe(10)
})

test('what is not used does not grow, though it was used once', () => {
  const { look } = limitOf()
  expect(look({})).toBe(20)
  expect(look({ underWay: 5 })).toBe(20)
})

test('answers that take three times as long cut it, by their median alone', () => {
  const { limit, look } = limitOf()
  for (let each = 0; each < 3; each++) look({})
  expect(limit.limit).toBe(80)
  expect(look({ seconds: 0.15 })).toBe(64)

  const other = limitOf()
  for (let each = 0; each < 3; each++) other.look({})
  // A few slow ones among many: the median is what it was.
  for (let call = 0; call < 20; call++) other.limit.add(5, true)
  expect(other.look({})).toBe(160)
})

test('answers in vain halve it, and are forgotten with the next look', () => {
  const { look } = limitOf()
  for (let each = 0; each < 3; each++) look({})
  expect(look({ failed: 50 })).toBe(40)
  // It settles for two looks, and goes on; what failed then is not counted again.
  look({})
  look({})
  expect(look({})).toBeGreaterThan(40)
})

test.each([0.3, 1, 5])('an API that takes %d s, longer than a look, is called as much as it bears', seconds => {
  const { window, limit } = limitOf()
  for (let round = 0; round < 12; round++) {
    const calls = window.max
    window.underWay = calls
    for (let call = 0; call < calls; call++) {
      jest.advanceTimersByTime((seconds * 1000) / calls)
      limit.add(seconds, true)
    }
  }
  expect(limit.limit).toBe(1000)
})
