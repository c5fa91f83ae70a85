import { type Kysely, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { archivedColumns, archivedOf } from './archived-gifts.ts'
import type { GiftRecord } from './gift.ts'
import { giftColumns } from './gift-columns.ts'
import { RESULT_TABLES } from './result-table.ts'

const SEALED = [
  'id',
  'targetId',
  'memberId',
  'amount',
  'processStatus',
  'moneyKey',
  'kafkaPartition',
  'kafkaOffset',
] as const

/** A result row as far as a seal covers it; ids and amounts are exact digits. */
export type SealedRow = Pick<GiftRecord, (typeof SEALED)[number]>

interface OfPromotion {
  id: string
  type: PromotionType
}

/** All rows of a promotion, archived ones too, in the order of their ids, a page at a time. */
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
  const upTo = (column: string) => (lastId === undefined ? sql`true` : sql`${sql.ref(column)} <= ${lastId}::bigint`)
  const atMost = limit === undefined ? sql`` : sql`limit ${limit}`
  const { rows } = await sql<SealedRow>`
    (select ${sql.raw(giftColumns(type, SEALED))} from ${sql.table(RESULT_TABLES[type].name)}
    where ${ofPromotion(id)} and id > ${afterId}::bigint and ${upTo('id')} order by ${inRowOrder()} ${atMost})
    union all
    (select ${sql.raw(archivedColumns(SEALED))} from ${archivedOf(type)} and ${ofPromotion(id, 't.promotion_id')}
      and t.gift_id > ${afterId}::bigint and ${upTo('t.gift_id')}
    order by ${inRowOrder('asc', 't.gift_id', 't.promotion_id')} ${atMost})
    order by id ${atMost}`.execute(kysely)
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
        where ${sql.ref(targetColumn)} = ${targetId}::bigint
        union all
        select t.promotion_id, t.gift_id from ${archivedOf(type)} and t.target_id = ${targetId}::bigint`.execute(kysely)
      return rows.map(row => ({ ...row, type }))
    }),
  )
  return found.flat()
}
