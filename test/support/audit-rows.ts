import type { AuditRow } from '#database/gifts/audit-rows.ts'
import { RowTable } from '#promotion/audit/row-table.ts'

/** A row of promotion 42 that is paid, and came as record 5 of partition 1. */
export const rowOf = (fields: Partial<AuditRow> = {}): AuditRow => ({
  targetId: '9223372036854775807',
  promotionId: '42',
  memberId: '7',
  amount: '100',
  processStatus: 'SUCCESS',
  moneyKey: 'tx-1',
  attempts: 1,
  enqueued: true,
  isOld: false,
  kafkaPartition: 1,
  kafkaOffset: '5',
  ...fields,
})
/** As the audit keeps them. */
export const tableOf = (...rows: Partial<AuditRow>[]) => {
  const table = new RowTable(rows.length, true)
  for (const row of rows) table.add(rowOf(row))
  return table
}
