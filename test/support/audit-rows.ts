import type { Kysely } from 'kysely'
import type { AuditRow, SkippedPlace, WrongSummary } from '#database/gifts/audit-rows.ts'
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
  summaries?: (WrongSummary & { count: number })[]
}

/** A database that says what its rows are now; `asked` = how many targets each look was for that named some. */
export function auditDatabase(world: AuditWorld): { kysely: Kysely<unknown>; asked: number[] } {
  const asked: number[] = []
  /** Those of the table that a statement names, of the promotions named. */
  const rowsOf = (statement: string, promotionIds?: readonly unknown[]) => {
    const type = PROMOTION_TYPES.find(each => statement.includes(`from "${RESULT_TABLES[each].name}"`))
    if (type === undefined) throw new Error(`not expected: ${statement}`)
    const rows = (world.rows[type] ?? []).map(rowOf)
    return promotionIds === undefined ? rows : rows.filter(({ promotionId }) => promotionIds.includes(promotionId))
  }
  const pageOf = (statement: string, [, afterId, ...scope]: readonly unknown[]) => {
    const limit = Number(scope.pop())
    const rows = rowsOf(statement, scope.length === 0 ? undefined : scope)
    return rows.map((row, index) => ({ ...row, id: String(index + 1) })).slice(Number(afterId), Number(afterId) + limit)
  }
  const namedOf = (statement: string, values: readonly unknown[]) => {
    const targetIds = values.find(value => Array.isArray(value)) as string[] | undefined
    if (targetIds === undefined) throw new Error(`not expected: ${statement}`)
    asked.push(targetIds.length)
    const wanted = new Set(targetIds)
    return rowsOf(statement).filter(({ targetId }) => wanted.has(targetId))
  }
  const { kysely } = scriptedKysely(({ sql: statement, parameters: values }) => {
    if (statement.includes('from campaign_promotion where')) return world.promotions
    if (statement.startsWith('with counted')) return world.summaries ?? []
    if (statement.startsWith('select (select count(*)'))
      return [{ count: rowsOf(statement, values.find(Array.isArray)).length }]
    if (statement.includes('campaign_promotion_archived_gift')) return []
    if (statement.includes('from campaign_promotion_skipped')) return world.skipped ?? []
    return statement.startsWith('select id, ') ? pageOf(statement, values) : namedOf(statement, values)
  })
  return { kysely, asked }
}
