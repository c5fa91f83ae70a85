import { type Kysely, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { ProcessStatus } from './process-status.ts'
import { RESULT_TABLES } from './result-table.ts'

/** A result row as far as a seal covers it; ids and amounts are exact digits. */
export interface SealedRow {
  id: string
  targetId: string
  memberId: string
  amount: string
  processStatus: ProcessStatus
  moneyKey: string | null
  kafkaPartition: number | null
  kafkaOffset: string | null
}

interface OfPromotion {
  id: string
  type: PromotionType
}

const columnsOf = (type: PromotionType) => sql`id, ${sql.ref(RESULT_TABLES[type].targetColumn)} as "targetId",
  member_id as "memberId", amount, process_status as "processStatus", money_key as "moneyKey",
  kafka_partition as "kafkaPartition", kafka_offset as "kafkaOffset"`

/** All rows of a promotion in the order of their ids, a page at a time. */
export async function* sealedRowPages(
  kysely: Kysely<unknown>,
  promotion: OfPromotion,
  size: number,
): AsyncGenerator<readonly SealedRow[]> {
  for (let afterId = '0'; ; ) {
    const rows = await selectRows(kysely, promotion, { afterId, limit: size })
    if (rows.length > 0) yield rows
    if (rows.length < size) return
    afterId = rows.at(-1)?.id ?? afterId
  }
}

/** The rows behind `afterId` up to `lastId`: those of one chunk of a seal. */
export function readSealedRows(
  kysely: Kysely<unknown>,
  promotion: OfPromotion,
  { afterId, lastId }: { afterId: string; lastId: string },
): Promise<SealedRow[]> {
  return selectRows(kysely, promotion, { afterId, lastId })
}

async function selectRows(
  kysely: Kysely<unknown>,
  { id, type }: OfPromotion,
  { afterId, lastId, limit }: { afterId: string; lastId?: string; limit?: number },
): Promise<SealedRow[]> {
  const upTo = lastId === undefined ? sql`true` : sql`id <= ${lastId}::bigint`
  const { rows } = await sql<SealedRow>`
    select ${columnsOf(type)} from ${sql.table(RESULT_TABLES[type].name)}
    where ${ofPromotion(id)} and id > ${afterId}::bigint and ${upTo}
    order by ${inRowOrder()} ${limit === undefined ? sql`` : sql`limit ${limit}`}`.execute(kysely)
  return rows
}

/** The row of a target in each type's table that has one. */
export async function findSealedRows(
  kysely: Kysely<unknown>,
  targetId: string,
): Promise<{ promotionId: string; type: PromotionType; rowId: string }[]> {
  const found = await Promise.all(
    PROMOTION_TYPES.map(async type => {
      const { name, targetColumn } = RESULT_TABLES[type]
      const { rows } = await sql<{ promotionId: string; rowId: string }>`
        select promotion_id as "promotionId", id as "rowId" from ${sql.table(name)}
        where ${sql.ref(targetColumn)} = ${targetId}::bigint`.execute(kysely)
      return rows.map(row => ({ ...row, type }))
    }),
  )
  return found.flat()
}
