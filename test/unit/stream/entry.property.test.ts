import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { failureBackoffMs, isPoison } from '#stream/delivery.ts'
import { toEntry } from '#stream/entry.ts'
import { freeSlots, type Lease, LeasedEntries, type LeaseState } from '#stream/leased-entries.ts'
import { permitsOf } from '#stream/limiter.ts'

describe('the pause before the next delivery', () => {
  const deliveries = fc.integer({ min: 1, max: 1e6 })
  const longestMs = fc.integer({ min: 1, max: 1e7 })
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

  test('never above the longest, never under half of what is due, and finite', () => {
    fc.assert(
      fc.property(deliveries, longestMs, chance, (count, maxMs, random) => {
        const ceilingMs = Math.min(maxMs, 100 * 2 ** Math.min(count, 20))
        const pauseMs = failureBackoffMs(count, maxMs, () => random)
        expect(pauseMs).toBeGreaterThanOrEqual(ceilingMs / 2)
        expect(pauseMs).toBeLessThanOrEqual(ceilingMs)
      }),
    )
  })

  test('grows with each delivery until the longest is reached', () => {
    fc.assert(
      fc.property(deliveries, longestMs, chance, (count, maxMs, random) => {
        const [now, next] = [count, count + 1].map(each => failureBackoffMs(each, maxMs, () => random))
        expect(next).toBeGreaterThanOrEqual(now as number)
      }),
    )
  })

  test('poison is exactly what was delivered more often than allowed', () => {
    fc.assert(fc.property(deliveries, deliveries, (count, most) => expect(isPoison(count, most)).toBe(count > most)))
  })
})

describe('slot accounting', () => {
  type Fields = Record<string, string>
  const STATES: readonly Exclude<LeaseState, 'gone'>[] = ['ready', 'suspect', 'active', 'delayed', 'acking']
  const step = fc.record({
    what: fc.constantFrom('add', 'read', 'move', 'remove', 'next', 'late'),
    which: fc.nat({ max: 30 }),
    state: fc.constantFrom(...STATES),
    // Few ids: one is handed out again while an object of before is still spoken of.
    id: fc.nat({ max: 40 }).map(number => `${number}-0`),
  })
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

  const ACTIONS: Record<string, (leased: LeasedEntries<Fields>, one: Lease<Fields> | undefined, step: Step) => void> = {
    add: (leased, _one, { id }) => void leased.add(toEntry('s', id, [], 1), 0),
    read: (leased, _one, { id }) => void leased.add(toEntry('s', id, [], 1), 0, 'active'),
    move: (leased, one, { state }) => one !== undefined && leased.move(one, state),
    remove: (leased, one) => one !== undefined && leased.remove(one),
    next: leased => {
      const isNone = leased.count('ready') === 0
      const next = leased.nextReady()
      expect(next === undefined).toBe(isNone)
      if (next !== undefined) leased.move(next, 'active')
    },
  }

  /** What is said of one that is gone changes nothing, whoever has its id by now. */
  function sayLate(leased: LeasedEntries<Fields>, seen: Lease<Fields>[], { which, state }: Step): void {
    const gone = seen.filter(one => one.state === 'gone')
    const late = gone[which % Math.max(1, gone.length)]
    if (late !== undefined) expect([leased.move(late, state), leased.remove(late)]).toEqual([false, false])
  }

  test('counts are those of the entries, whatever happens; nextReady finds a ready one as long as there is one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const leased = new LeasedEntries<Fields>()
        const seen = new Set<Lease<Fields>>()
        for (const each of steps) {
          const all = [...leased.values()]
          for (const one of all) seen.add(one)
          if (each.what === 'late') sayLate(leased, [...seen], each)
          else ACTIONS[each.what]?.(leased, all[each.which % Math.max(1, all.length)], each)
          const states = [...leased.values()].map(({ state }) => state)
          expect(leased.size).toBe(states.length)
          for (const state of STATES) expect(leased.count(state)).toBe(states.filter(one => one === state).length)
        }
      }),
    )
  })

  test('free slots are never negative, and never more than what nothing uses', () => {
    const count = fc.nat({ max: 2000 })
    fc.assert(
      fc.property(count, count, count, count, (concurrency, active, delayed, reading) => {
        const counts = { ready: 0, suspect: 0, active, delayed, acking: 0, gone: 0 }
        const free = freeSlots(concurrency, { count: state => counts[state] }, reading)
        expect(free).toBe(Math.max(0, concurrency - active - reading))
      }),
    )
  })
})

describe('permits of a window', () => {
  test('whoever asks, in whatever portions: all together never more than max, and max when they ask for it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.array(fc.integer({ min: 1, max: 100 })), (max, portions) => {
        let countAfter = 0
        let granted = 0
        for (const asked of portions) {
          countAfter += asked
          granted += permitsOf(asked, countAfter, max)
        }
        expect(granted).toBe(Math.min(max, countAfter))
      }),
    )
  })
})

describe('fields', () => {
  test('of any name and text arrive as they were sent, own properties only', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), fields => {
        const entry = toEntry('s', '1-0', Object.entries(fields).flat(), 1)
        expect(Object.entries(entry.fields).sort()).toEqual(Object.entries(fields).sort())
      }),
    )
  })
})
