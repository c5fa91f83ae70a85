import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type SlotClaim, slotShares, slotsNeeded, slotsOfUse } from '#promotion/consumers/slot-shares.ts'

const plain = (weight = 1, most = 1000): SlotClaim => ({ weight, most })
const due = (leftMs: number, needed: number, weight = 1, most = 1000): SlotClaim => ({ weight, most, leftMs, needed })
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0)

test('without deadlines by weight, and evenly where weights are equal', () => {
  expect(slotShares(30, [plain(), plain(), plain()])).toEqual([10, 10, 10])
  expect(slotShares(40, [plain(3), plain(1)])).toEqual([30, 10])
  // What one cannot use is the others'.
  expect(slotShares(40, [plain(3, 5), plain(1), plain(1)])).toEqual([5, 18, 17])
  expect(slotShares(40, [plain(1, 4), plain(1, 5)])).toEqual([4, 5])
})

test('who would miss its deadline gets what it needs, and the others keep a tenth of theirs at least', () => {
  expect(slotShares(100, [due(60_000, 80), plain()])).toEqual([80, 20])
  expect(slotShares(100, [due(60_000, 95), plain()])).toEqual([95, 5])
  expect(slotShares(100, [due(60_000, 96), plain()])).toEqual([95, 5])
  expect(slotShares(100, [due(4000, Number.POSITIVE_INFINITY), plain()])).toEqual([95, 5])
  expect(slotShares(4, [due(60_000, 50), plain(), plain()])).toEqual([2, 1, 1])
  // It is in time anyway.
  expect(slotShares(100, [due(60_000, 30), plain()])).toEqual([50, 50])
  expect(slotShares(100, [due(60_000, 30, 1), plain(9)])).toEqual([30, 70])
})

test('the earliest deadline first; who cannot be kept gets what the others leave', () => {
  expect(slotShares(100, [due(90_000, 60), due(60_000, 60)])).toEqual([40, 60])
  expect(slotShares(100, [due(60_000, 500), due(90_000, 60), plain()])).toEqual([37, 60, 3])
  // More than its process may use for it: it is late, and keeps nobody from being in time.
  expect(slotShares(100, [due(60_000, 50, 1, 40), due(90_000, 70)])).toEqual([30, 70])
  // All that it may use, or all that is left, is enough.
  expect(slotShares(100, [due(60_000, 50, 1, 50), due(90_000, 70)])).toEqual([50, 50])
  expect(slotShares(100, [due(60_000, 95), due(90_000, 20)])).toEqual([95, 5])
})

test('more promotions than slots: each has its turn', () => {
  expect(slotShares(2, [plain(), due(60_000, 5), plain(7)])).toEqual([1, 1, 1])
  const one = Array.from({ length: 24 }, () => plain())
  expect(slotShares(25, [plain(1000), ...one])).toEqual(Array(25).fill(1))
  expect(slotShares(26, [plain(1000), ...one])).toEqual([2, ...Array(24).fill(1)])
})

const claims = fc.array(
  fc.record(
    {
      weight: fc.integer({ min: 1, max: 20 }),
      most: fc.integer({ min: 1, max: 300 }),
      leftMs: fc.integer({ min: 1, max: 100_000 }),
      needed: fc.oneof(fc.nat(400), fc.constant(Number.POSITIVE_INFINITY)),
    },
    { requiredKeys: ['weight', 'most'] },
  ) as fc.Arbitrary<SlotClaim>,
  { minLength: 1, maxLength: 10 },
)

test('they come to the slots, or to all that can be used; nobody gets nothing, or more than it can use', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 1024 }), claims, (slots, list) => {
      const shares = slotShares(slots, list)
      expect(sum(shares)).toBe(Math.min(slots, sum(list.map(({ most }) => most))))
      for (const [index, share] of shares.entries()) {
        expect(share).toBeGreaterThanOrEqual(1)
        expect(share).toBeLessThanOrEqual(list[index]!.most)
      }
    }),
    { numRuns: 400 },
  )
})

test('who can be kept is kept: in the order of deadlines each has what it needs as far as the slots go', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 1024 }), claims, (slots, list) => {
      const shares = slotShares(slots, list)
      const fair = slotShares(
        slots,
        list.map(({ weight, most }) => ({ weight, most })),
      )
      const leastOf = (index: number) => Math.min(list[index]!.most, Math.max(1, Math.floor(fair[index]! / 10)))
      let left = slots - sum([...list.keys()].map(leastOf))
      const hurried = [...list.keys()].filter(index => list[index]!.leftMs !== undefined)
      for (const index of hurried.toSorted((one, other) => list[one]!.leftMs! - list[other]!.leftMs!)) {
        const { needed = 0, most } = list[index]!
        const more = Math.max(0, needed - leastOf(index))
        if (needed > most || more > left) continue
        expect(shares[index]).toBeGreaterThanOrEqual(needed)
        left -= more
      }
      for (const index of list.keys()) expect(shares[index]).toBeGreaterThanOrEqual(leastOf(index))
    }),
    { numRuns: 400 },
  )
})

test('slots that are needed: gifts, times what each holds a slot, by the time that is left but for some to spare', () => {
  const cost = { slotMs: 80, workers: 1 }
  expect(slotsNeeded(10_000, 100_000, cost)).toBe(9)
  expect(slotsNeeded(10_000, 100_000, { ...cost, workers: 3 })).toBe(3)
  expect(slotsNeeded(1000, 15_000, cost)).toBe(8)
  expect(slotsNeeded(12_000, 1_000_000, cost)).toBe(2)
  expect(slotsNeeded(1, 4000, cost)).toBe(Number.POSITIVE_INFINITY)
  expect(slotsNeeded(0, 5000, cost)).toBe(Number.POSITIVE_INFINITY)
  expect(slotsNeeded(0, 60_000, cost)).toBe(0)
})

test('while calls wait, twice as many slots as have work are enough; all of them when none waits', () => {
  expect(slotsOfUse(1024, { inUse: 1024, waiting: 900 }, 1024)).toBe(248)
  expect(slotsOfUse(248, { inUse: 248, waiting: 124 }, 1024)).toBe(248)
  expect(slotsOfUse(248, { inUse: 248, waiting: 10 }, 1024)).toBe(992)
  expect(slotsOfUse(992, { inUse: 992, waiting: 0 }, 1024)).toBe(1024)
  expect(slotsOfUse(100, { inUse: 0, waiting: 0 }, 1024)).toBe(400)
  expect(slotsOfUse(100, { inUse: 10, waiting: 50 }, 1024)).toBe(16)
  expect(slotsOfUse(5, { inUse: 5, waiting: 5 }, 5)).toBe(5)
})
