import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { shareFairly } from '#stream/fair-share.ts'

const claimants = fc.array(fc.record({ active: fc.nat(50), wants: fc.nat(50) }), { maxLength: 12 })
const weighted = fc.array(
  fc.record({ active: fc.nat(50), wants: fc.nat(50), weight: fc.integer({ min: 1, max: 60 }) }),
  {
    maxLength: 12,
  },
)
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0)

test('never grants more than there is or than anyone wants, and leaves no slot idle that anyone wants', () => {
  fc.assert(
    fc.property(fc.nat(400), claimants, (available, list) => {
      const grants = shareFairly(available, list)
      expect(grants.every((grant, index) => grant >= 0 && grant <= list[index]!.wants)).toBe(true)
      expect(sum(grants)).toBe(Math.min(available, sum(list.map(({ wants }) => wants))))
    }),
    { numRuns: 2000 },
  )
})

test('max-min fair: nobody is lifted above one who still wants and stands two or more lower', () => {
  fc.assert(
    fc.property(fc.nat(400), claimants, (available, list) => {
      const grants = shareFairly(available, list)
      const level = list.map(({ active }, index) => active + grants[index]!)
      for (const [poor, { wants }] of list.entries()) {
        if (grants[poor]! === wants) continue
        for (const rich of list.keys()) {
          if (grants[rich]! > 0) expect(level[rich]! - level[poor]!).toBeLessThanOrEqual(1)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('by weight: no more than there is or is wanted, no slot idle, and nobody richer by more than a slot beside one who wants', () => {
  fc.assert(
    fc.property(fc.nat(400), weighted, (available, list) => {
      const grants = shareFairly(available, list)
      expect(grants.every((grant, index) => grant >= 0 && grant <= list[index]!.wants)).toBe(true)
      expect(sum(grants)).toBe(Math.min(available, sum(list.map(({ wants }) => wants))))
      const level = (index: number, more = 0) => (list[index]!.active + grants[index]! + more) / list[index]!.weight
      for (const poor of list.keys()) {
        if (grants[poor]! === list[poor]!.wants) continue
        for (const rich of list.keys())
          if (rich !== poor && grants[rich]! > 0) expect(level(rich)).toBeLessThanOrEqual(level(poor, 1) + 1e-9)
      }
    }),
    { numRuns: 2000 },
  )
})

test('of two that a slot would lift equally far for their weights, the first gets it', () => {
  const claimants = [
    { active: 0, wants: 1, weight: 2 },
    { active: 1, wants: 1, weight: 4 },
  ]
  expect(shareFairly(1, claimants)).toEqual([1, 0])
})

test('equal weights are no weights', () => {
  fc.assert(
    fc.property(fc.nat(400), claimants, fc.integer({ min: 1, max: 9 }), (available, list, weight) => {
      expect(
        shareFairly(
          available,
          list.map(claimant => ({ ...claimant, weight })),
        ),
      ).toEqual(shareFairly(available, list))
    }),
  )
})

test('three to one', () => {
  const one = { active: 0, wants: 100 }
  expect(
    shareFairly(40, [
      { ...one, weight: 3 },
      { ...one, weight: 1 },
    ]),
  ).toEqual([30, 10])
  // What one does not want is the other's.
  expect(
    shareFairly(40, [
      { active: 0, wants: 5, weight: 3 },
      { ...one, weight: 1 },
    ]),
  ).toEqual([5, 35])
  // Nothing is taken away: who has too much waits until the other has caught up.
  expect(
    shareFairly(8, [
      { ...one, weight: 3 },
      { active: 20, wants: 100, weight: 1 },
    ]),
  ).toEqual([8, 0])
})
