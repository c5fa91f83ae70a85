import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { shareFairly } from '#stream/fair-share.ts'

const claimants = fc.array(fc.record({ active: fc.nat(50), wants: fc.nat(50) }), { maxLength: 12 })
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
