import { expect, test } from '@jest/globals'
import { Discrepancies, type DiscrepancyKind } from '#promotion/audit/discrepancies.ts'

/** So many of each kind, added in turn; the limit is the first. */
function added(limit: number, ...kinds: [DiscrepancyKind, number][]) {
  const discrepancies = new Discrepancies(limit)
  for (let index = 0; kinds.some(([, count]) => index < count); index++)
    for (const [kind, count] of kinds) if (index < count) discrepancies.add({ kind, targetId: String(index + 1) })
  return discrepancies
}
const listed = (discrepancies: Discrepancies) => discrepancies.listed.map(({ kind, targetId }) => `${kind} ${targetId}`)

test('all are counted by kind, and those of a kind stand together', () => {
  const discrepancies = added(10, ['double-charge', 2], ['failed-with-charge', 1])
  expect(listed(discrepancies)).toEqual(['double-charge 1', 'double-charge 2', 'failed-with-charge 1'])
  expect(discrepancies.counts).toEqual({ 'double-charge': 2, 'failed-with-charge': 1 })
  expect([discrepancies.total, discrepancies.count('double-charge'), discrepancies.count('money-key-differs')]).toEqual(
    [3, 2, 0],
  )
})

test('no kind hides another one where not all are listed', () => {
  const discrepancies = added(5, ['double-charge', 100], ['failed-with-charge', 1], ['money-key-differs', 100])
  expect(listed(discrepancies)).toEqual([
    ...['double-charge 1', 'double-charge 2', 'failed-with-charge 1'],
    ...['money-key-differs 1', 'money-key-differs 2'],
  ])
  expect(discrepancies.total).toBe(201)
})

test('the last round of turns is the first kinds’', () => {
  const discrepancies = added(4, ['double-charge', 9], ['failed-with-charge', 9], ['money-key-differs', 9])
  expect(listed(discrepancies)).toEqual([
    ...['double-charge 1', 'double-charge 2', 'failed-with-charge 1', 'money-key-differs 1'],
  ])
})

test('none is listed where none may be, and all are counted', () => {
  const discrepancies = added(0, ['double-charge', 2])
  expect([discrepancies.listed, discrepancies.total]).toEqual([[], 2])
})

test('those that are only counted are not listed, and none of a kind is no count of it', () => {
  const discrepancies = added(10, ['double-charge', 1])
  discrepancies.addUnlisted('double-charge', 5)
  discrepancies.addUnlisted('summary-counter-off', 0)
  expect(listed(discrepancies)).toEqual(['double-charge 1'])
  expect([discrepancies.counts, discrepancies.total]).toEqual([{ 'double-charge': 6 }, 6])
})
