import { describe, expect, test } from '@jest/globals'
import { estimate, type Sample } from '#admin/snapshot/rate.ts'

const steady = (perSecond: number, seconds: number): Sample[] =>
  Array.from({ length: seconds + 1 }, (_, second) => ({ atMs: second * 1000, done: second * perSecond }))

describe('rate and time left', () => {
  test('a steady rate: the range is a point', () => {
    expect(estimate(steady(100, 60), 6000)).toEqual({
      perSecond: 100,
      eta: { likely: 60, soonest: 60, latest: 60 },
    })
  })

  test('a rate that changes: the range holds the likely value, and what the minute’s rates allow', () => {
    const samples = [...steady(100, 30)]
    for (let second = 31; second <= 60; second++) samples.push({ atMs: second * 1000, done: 3000 + (second - 30) * 50 })
    const { perSecond, eta } = estimate(samples, 7500)
    expect(perSecond).toBe(50)
    expect(eta?.likely).toBe(100)
    expect(eta?.soonest).toBe(75)
    expect(eta?.latest).toBe(150)
  })

  test.each([
    ['nothing was seen', [], 100],
    ['one sample', steady(5, 0), 100],
    ['nothing moves', steady(0, 60), 100],
    ['nothing is left', steady(10, 60), 0],
  ] as const)('%s: no time is told', (_what, samples, remaining) => {
    expect(estimate(samples, remaining).eta).toBeNull()
  })

  test('few samples: the range is wide rather than wrong', () => {
    const { eta } = estimate(steady(10, 3), 100)
    expect(eta).toEqual({ likely: 10, soonest: 5, latest: 20 })
  })
})
