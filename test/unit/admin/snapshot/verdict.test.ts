import { expect, test } from '@jest/globals'
import { createPromotionHistory } from '#admin/snapshot/history.ts'
import { createVerdictWatch, type Verdict, verdictOf } from '#admin/snapshot/verdict.ts'

const START_MS = Date.parse('2026-11-21T10:00:00Z')
const at = (seconds: number) => new Date(START_MS + seconds * 1000).toISOString()

/** A promotion of so many gifts, looked at once a second; `rate` = gifts a second at that time. */
function watch(gifts: number, deadlineS: number, rate: (atS: number) => number) {
  const history = createPromotionHistory()
  const verdicts: { atS: number; verdict: Verdict | null }[] = []
  let [atS, done] = [0, 0]
  for (; done < gifts; atS += 1) {
    const view = { id: '1', done, expected: gifts, slotsInUse: 1 }
    const estimate = history.add(view, atS * 1000)
    const promotion = { status: 'IN_PROGRESS', deadlineAt: at(deadlineS), done, expected: gifts } as const
    verdicts.push({ atS, verdict: verdictOf(promotion, estimate, START_MS + atS * 1000) })
    done = Math.min(gifts, done + rate(atS))
  }
  return { verdicts, endS: atS - 1 }
}

test('half the capacity half-way: told within ten seconds, and kept true to the end', () => {
  const { verdicts, endS } = watch(120_000, 150, atS => (atS < 60 ? 1000 : 500))
  const flags = verdicts.map(({ verdict }) => verdict?.isInTime)
  expect(new Set(flags.slice(5, 60))).toEqual(new Set([true]))
  expect(flags.indexOf(false)).toBeGreaterThan(60)
  expect(flags.indexOf(false)).toBeLessThanOrEqual(70)
  expect(new Set(flags.slice(70, -2))).toEqual(new Set([false]))
  // Each of the last estimates is off by less than 5 % of the whole.
  for (const { atS, verdict } of verdicts.slice(75, -2)) {
    const likelyS = (Date.parse(verdict?.likely ?? '') - START_MS) / 1000
    expect(Math.abs(likelyS - endS) / endS).toBeLessThan(0.05)
    const range = [verdict?.from, verdict?.likely, verdict?.to]
    expect(range).toEqual(range.toSorted())
    expect(atS).toBeLessThan(endS)
  }
})

test('nothing is said without a deadline, of what does not run, and while nothing moves', () => {
  const estimate = { perSecond: 10, eta: { likely: 10, soonest: 5, latest: 20 } }
  const view = { status: 'IN_PROGRESS', deadlineAt: at(100), done: 0, expected: 100 } as const
  expect(verdictOf(view, estimate, START_MS)).toEqual({
    ...{ isInTime: true, likely: at(10), from: at(5), to: at(20), spareS: 90 },
  })
  expect(verdictOf({ ...view, deadlineAt: null }, estimate, START_MS)).toBeNull()
  expect(verdictOf({ ...view, status: 'PAUSED' }, estimate, START_MS)).toBeNull()
  expect(verdictOf(view, { perSecond: 0, eta: null }, START_MS)).toBeNull()
  expect(verdictOf({ ...view, deadlineAt: at(9) }, estimate, START_MS)).toMatchObject({ isInTime: false, spareS: -1 })
})

test('a total far beyond what can be done by any date is late, and breaks nothing', () => {
  const estimate = { perSecond: 0.5, eta: { likely: 2e12, soonest: 1e12, latest: 1e14 } }
  const view = { status: 'IN_PROGRESS', deadlineAt: at(100), done: 0, expected: 1e12 } as const
  expect(verdictOf(view, estimate, START_MS)).toMatchObject({ isInTime: false, to: '9999-12-31T23:59:59.000Z' })
})

test('a flip is told once', () => {
  const flips: [string, boolean][] = []
  const look = createVerdictWatch((id, { isInTime }) => flips.push([id, isInTime]))
  const verdict = (isInTime: boolean) => ({ isInTime }) as Verdict
  for (const one of [true, true, false, false]) look([{ id: '1', verdict: verdict(one) }])
  look([{ id: '1', verdict: null }])
  look([{ id: '1', verdict: verdict(false) }])
  look([{ id: '2', verdict: verdict(true) }])
  expect(flips).toEqual([
    ['1', true],
    ['1', false],
    ['2', true],
  ])
})
