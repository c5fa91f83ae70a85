import { expect, test } from '@jest/globals'
import { firstLimit, LOOK_INTERVAL_MS, nextLimit } from '#money/adaptive-limit.ts'

const LATENCY_MS = 50

interface Course {
  knees: (atS: number) => number
  seconds: number
  fixed?: number
  start?: number
}

/**
 * A Money API that keeps its pace up to `knee` calls at once; beyond it answers grow longer by the square of the excess, and
 * some fail. Looks at the limit as a process does, on a clock of its own.
 */
function run({ knees, seconds, fixed, start = 10 }: Course) {
  let state = firstLimit(start)
  const looks: { limit: number; perSecond: number; failedShare: number }[] = []
  for (let atMs = 0; atMs < seconds * 1000; atMs += LOOK_INTERVAL_MS) {
    const limit = fixed ?? state.limit
    const excess = Math.max(1, limit / knees(atMs / 1000))
    const medianMs = LATENCY_MS * excess ** 2
    const failedShare = Math.min(0.5, (excess - 1) / 4)
    const answers = Math.round((limit * LOOK_INTERVAL_MS) / medianMs)
    const failed = Math.round(answers * failedShare)
    looks.push({ limit, perSecond: ((answers - failed) * 1000) / LOOK_INTERVAL_MS, failedShare: failed / answers })
    state = nextLimit(state, { answers, failed, medianMs, underWay: limit }, 1024)
  }
  const mean = (of: (look: (typeof looks)[number]) => number) =>
    looks.reduce((sum, look) => sum + of(look), 0) / looks.length
  return { looks, perSecond: mean(look => look.perSecond), failedShare: mean(look => look.failedShare) }
}

test.each([40, 137, 256, 700])(
  'a knee at %d: 90 %% of the best fixed number or more, and 1 %% failed at most',
  knee => {
    const best = Math.max(
      ...Array.from({ length: 1024 }, (_, index) => run({ knees: () => knee, seconds: 1, fixed: index + 1 }).perSecond),
    )
    const { perSecond, failedShare } = run({ knees: () => knee, seconds: 120 })
    expect(perSecond / best).toBeGreaterThanOrEqual(0.9)
    expect(failedShare).toBeLessThanOrEqual(0.01)
    expect(run({ knees: () => Math.min(knee, 256), seconds: 10, fixed: 1024 }).failedShare).toBeGreaterThan(0.1)
  },
)

test('its capacity halves half-way: found again within five seconds, and back when it is whole', () => {
  const { looks } = run({ knees: atS => (atS >= 30 && atS < 90 ? 100 : 200), seconds: 180 })
  const limitAt = (atS: number) => looks[(atS * 1000) / LOOK_INTERVAL_MS]?.limit ?? 0
  expect(limitAt(29)).toBeGreaterThan(160)
  for (const atS of [35, 60, 89]) expect(limitAt(atS)).toBeLessThanOrEqual(110)
  expect(limitAt(89)).toBeGreaterThan(80)
  expect(limitAt(179)).toBeGreaterThan(160)
})

test('too many by far at first: what still fails at half of that is no fault that comes whatever is asked', () => {
  const { looks } = run({ knees: () => 60, seconds: 20, start: 266 })
  const late = looks.slice(12)
  expect(Math.max(...late.map(({ limit }) => limit))).toBeLessThanOrEqual(72)
  expect(late.reduce((sum, { failedShare }) => sum + failedShare, 0) / late.length).toBeLessThan(0.005)
})

test('back at its pace soon after a cut', () => {
  const { perSecond } = run({ knees: () => 60, seconds: 15 })
  expect(perSecond / (60 / 0.05)).toBeGreaterThan(0.85)
})

test('an API that is slower for everybody is no reason to call less for ever', () => {
  let state = firstLimit(10)
  const look = (medianMs: number, rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      const answers = Math.round((state.limit * LOOK_INTERVAL_MS) / medianMs)
      state = nextLimit(state, { answers, failed: 0, medianMs, underWay: state.limit }, 500)
    }
    return state.limit
  }
  expect(look(50, 40)).toBe(500)
  expect(look(200, 80)).toBe(500)
})

test.each([0.02, 0.2])('faults that come whatever is asked (a share of %d) do not stop it', share => {
  let state = firstLimit(10)
  for (let look = 0; look < 400; look++) {
    const answers = Math.round((state.limit * LOOK_INTERVAL_MS) / LATENCY_MS)
    // A draw that is the same in each run.
    const failed = Math.round(answers * share * (1 + 0.3 * Math.sin(look)))
    state = nextLimit(state, { answers, failed, medianMs: LATENCY_MS, underWay: state.limit }, 300)
  }
  expect(state.limit).toBeGreaterThan(200)
})

test('what is not used does not grow; too few answers say nothing', () => {
  const state = { ...firstLimit(100), baseMs: 50 }
  expect(nextLimit(state, { answers: 200, failed: 0, medianMs: 50, underWay: 20 }, 1024).limit).toBe(100)
  expect(nextLimit(state, { answers: 5, failed: 5, medianMs: 5000, underWay: 100 }, 1024).limit).toBe(100)
  expect(nextLimit({ ...state, limit: 12 }, { answers: 14, failed: 14, medianMs: 50, underWay: 12 }, 1024).limit).toBe(
    10,
  )
})

test('where fewer than ten may be under way at most, a cut makes them no more', () => {
  const failing = { answers: 40, failed: 40, medianMs: 50, underWay: 4 }
  expect(nextLimit(firstLimit(4), failing, 4).limit).toBe(4)
})
