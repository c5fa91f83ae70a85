import { expect, test } from '@jest/globals'
import { MARK, RowTable } from '#promotion/audit/row-table.ts'
import { rowOf } from '#test/support/audit-rows.ts'

test('finds each of many rows by its target, ids that a number would round included', () => {
  const first = 2n ** 63n - 60_001n
  const table = new RowTable(10, true)
  for (let index = 0n; index < 60_000n; index++) table.add(rowOf({ targetId: String(first + index) }))
  expect(table.size).toBe(60_000)
  for (let index = 0; index < 60_000; index += 7) expect(table.find(String(first + BigInt(index)))).toBe(index)
  expect(table.targetId(59_999)).toBe(String(first + 59_999n))
  expect([table.find(String(first - 1n)), table.find('1')]).toEqual([-1, -1])
})

test('a table that has grown knows the transaction key of each row', () => {
  const table = new RowTable(10, true)
  const rows = Array.from({ length: 3000 }, (_, index) => index)
  for (const row of rows) table.add(rowOf({ targetId: String(row + 1), moneyKey: `tx-${row}` }))
  for (const row of rows) table.noteCharge(row, { transactionKey: row === 2000 ? 'tx-2001' : `tx-${row}` })
  expect(rows.filter(row => table.has(row, MARK.otherKey))).toEqual([2000])
})
