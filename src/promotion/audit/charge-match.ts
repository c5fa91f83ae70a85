import { idempotencyKey } from '#money/charge.ts'
import { isExactId } from '#queues/exact-integer.ts'
import { findGiftType, type PromotionType } from '#queues/gift-types.ts'
import type { Discrepancies, Discrepancy } from './discrepancies.ts'
import { MARK, type RowTable } from './row-table.ts'

/** The target that an idempotency key names; undefined for a key that the contract does not know. */
export function targetOfKey(key: string): { type: PromotionType; targetId: string } | undefined {
  const [, name, targetId = ''] = /^([A-Z]+):(\d+)$/.exec(key) ?? []
  const type = findGiftType(name)
  return type === undefined || !isExactId(targetId) ? undefined : { type, targetId }
}

/** What identifies a row in a report. */
export function rowIdentity(type: PromotionType, table: RowTable, row: number): Omit<Discrepancy, 'kind'> {
  return { type, promotionId: table.promotionId(row), targetId: table.targetId(row), status: table.status(row) }
}

/**
 * Judges every row by the charges that were noted on it. Rows that are charged but not final are handed to `doubtful`:
 * they may have become SUCCESS in the meantime. One that nobody answered for is not reported.
 * @returns how many SUCCESS rows have exactly one charge.
 */
export function judgeCharges(
  type: PromotionType,
  table: RowTable,
  discrepancies: Discrepancies,
  doubtful: (row: number) => void,
): number {
  const chargedOnce = judgePaid(type, table, discrepancies)
  for (const row of table.rowsIn('FAILED')) {
    const charges = table.charges(row)
    if (charges > 0)
      discrepancies.add({ kind: 'failed-with-charge', ...rowIdentity(type, table, row), key: keyOf(type, table, row) })
  }
  for (const row of table.rowsIn('PENDING', 'RETRYING', 'UNKNOWN')) if (table.charges(row) > 0) doubtful(row)
  judgeEveryState(type, table, discrepancies)
  return chargedOnce
}

function judgePaid(type: PromotionType, table: RowTable, discrepancies: Discrepancies): number {
  let chargedOnce = 0
  for (const row of table.rowsIn('SUCCESS')) {
    const charges = table.charges(row)
    const identity = () => ({ ...rowIdentity(type, table, row), key: keyOf(type, table, row) })
    if (charges === 1) chargedOnce += 1
    if (charges === 0 && !table.has(row, MARK.unanswered)) {
      discrepancies.add({ kind: 'success-without-charge', ...identity() })
    }
    if (charges === 1 && table.has(row, MARK.otherKey)) discrepancies.add({ kind: 'money-key-differs', ...identity() })
  }
  return chargedOnce
}

function judgeEveryState(type: PromotionType, table: RowTable, discrepancies: Discrepancies): void {
  for (let row = 0; row < table.size; row++) {
    const charges = table.charges(row)
    if (charges > 1)
      discrepancies.add({
        kind: 'double-charge',
        ...rowIdentity(type, table, row),
        key: keyOf(type, table, row),
        charges,
      })
    if (table.has(row, MARK.otherAmount))
      discrepancies.add({
        kind: 'charge-amount-differs',
        ...rowIdentity(type, table, row),
        key: keyOf(type, table, row),
      })
  }
}

function keyOf(type: PromotionType, table: RowTable, row: number): string {
  return idempotencyKey({ type, targetId: table.targetId(row) })
}
