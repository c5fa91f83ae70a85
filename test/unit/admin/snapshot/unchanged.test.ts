import { expect, test } from '@jest/globals'
import { keepUnchanged } from '#admin/snapshot/unchanged.ts'

test('what says the same is the same object; what is new, or says something else in its depth, is not', () => {
  const before = [
    { id: '1', gifts: { SUCCESS: 1 }, bottlenecks: [{ code: 'paused' }] },
    { id: '2', gifts: { SUCCESS: 5 }, bottlenecks: [] },
  ]
  const now = [
    { id: '3', gifts: { SUCCESS: 0 }, bottlenecks: [] },
    { id: '2', gifts: { SUCCESS: 6 }, bottlenecks: [] },
    { id: '1', gifts: { SUCCESS: 1 }, bottlenecks: [{ code: 'paused' }] },
  ]
  const [third, second, first] = keepUnchanged(now, before)
  expect(first).toBe(before[0])
  expect([third, second]).toEqual([now[0], now[1]])
  expect(keepUnchanged(now)[0]).toBe(now[0])
})
