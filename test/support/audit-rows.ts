import type { Kysely } from 'kysely'
import type { AuditRow, SkippedPlace } from '#database/gifts/audit-rows.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { RowTable } from '#promotion/audit/row-table.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { scriptedKysely } from './scripted-kysely.ts'

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

export interface AuditWorld {
  rows: Partial<Record<PromotionType, Partial<AuditRow>[]>>
  promotions: { id: string; status: PromotionStatus }[]
  skipped?: SkippedPlace[]
}

/** A database that says of targets what their rows are now; `asked` = how many targets each look was for. */
export function auditDatabase(world: AuditWorld): { kysely: Kysely<unknown>; asked: number[] } {
  const asked: number[] = []
  const { kysely } = scriptedKysely(({ sql: statement, parameters: values }) => {
    if (statement.includes('from campaign_promotion where')) return world.promotions
    if (statement.includes('campaign_promotion_archived_gift')) return []
    if (statement.includes('from campaign_promotion_skipped')) return world.skipped ?? []
    const type = PROMOTION_TYPES.find(each => statement.includes(`from "${RESULT_TABLES[each].name}"`))
    const targetIds = values.find(value => Array.isArray(value)) as string[] | undefined
    if (type === undefined || targetIds === undefined) throw new Error(`not expected: ${statement}`)
    asked.push(targetIds.length)
    const wanted = new Set(targetIds)
    return (world.rows[type] ?? []).map(rowOf).filter(({ targetId }) => wanted.has(targetId))
  })
  return { kysely, asked }
}
