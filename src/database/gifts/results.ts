import type { Kysely } from 'kysely'
import { digitsArray } from '#database/array-literal.ts'
import { PreparedStatement } from '#database/prepared.ts'
import { isContentError } from '#database/sql-errors.ts'
import { IS_ASK_FIRST } from '#database/switches.ts'
import { byGiftType, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { Batcher } from '#runtime/batcher.ts'
import {
  type GiftRow,
  type InsertOutcome,
  type NewGift,
  PAID_FIELDS,
  type Transition,
  type TransitionOutcome,
} from './gift.ts'
import { giftColumns } from './gift-columns.ts'
import { type InsertLimits, NO_LIMITS } from './insert-answer.ts'
import { insertGifts } from './result-insert.ts'
import { RESULT_TABLES, type ResultTable } from './result-table.ts'
import { moveGifts } from './result-transition.ts'

/**
 * The result rows of one type. Its methods take one gift, like the planning documents' repositories; what is called in
 * the same moment goes out as one statement and one commit. A row refused for its content fails alone.
 */
export interface GiftResultRepository {
  readonly table: ResultTable
  /** Resolves after the commit. Rejects with PostgreSQL's error: class 22/23 blames the gift, others the moment. */
  insert(gift: NewGift): Promise<InsertOutcome>
  /** The same for many, in their order. Never rejects. */
  insertAll(gifts: readonly NewGift[]): Promise<PromiseSettledResult<InsertOutcome>[]>
  /** The row of a target, or undefined. */
  find(targetId: string): Promise<GiftRow | undefined>
  /** Resolves after the commit of the row and its summary counter. */
  move(transition: Transition): Promise<TransitionOutcome>
}

/** Under load a statement for a hundred rows costs a third of four for twenty-five; a slot is kept for that much longer. */
const MOVE_PACE_MS = 40
const FIND_PACE_MS = 25

const BATCH = { maxSize: 500, isItemError: isContentError }

export function createGiftResultRepository(
  kysely: Kysely<unknown>,
  type: PromotionType,
  limits: InsertLimits = NO_LIMITS,
): GiftResultRepository {
  const table = RESULT_TABLES[type]
  const inserts = new Batcher<NewGift, InsertOutcome>({
    ...BATCH,
    maxConcurrent: 2,
    run: gifts => insertGifts(kysely, table, gifts, limits),
  })
  const finds = new Batcher<string, GiftRow | undefined>({
    ...BATCH,
    maxConcurrent: 2,
    paceMs: FIND_PACE_MS,
    run: targetIds => findGifts(kysely, table, targetIds),
  })
  const moves = new Batcher<Transition, TransitionOutcome>({
    ...BATCH,
    maxConcurrent: 2,
    paceMs: MOVE_PACE_MS,
    run: transitions => moveGifts(kysely, table, transitions),
  })
  return {
    table,
    insert: gift => inserts.add(gift),
    insertAll: gifts => inserts.addAll(gifts),
    find: targetId => finds.add(targetId),
    move: transition => moves.add(transition),
  }
}

export type GiftResultRepositories = Readonly<Record<PromotionType, GiftResultRepository>>

export function createGiftResultRepositories(
  kysely: Kysely<unknown>,
  limits: InsertLimits = NO_LIMITS,
): GiftResultRepositories {
  return Object.fromEntries(
    PROMOTION_TYPES.map(type => [type, createGiftResultRepository(kysely, type, limits)]),
  ) as unknown as GiftResultRepositories
}

async function findGifts(
  kysely: Kysely<unknown>,
  { type }: ResultTable,
  targetIds: readonly string[],
): Promise<(GiftRow | undefined)[]> {
  const rows = await FIND[type].run(kysely, [digitsArray(targetIds)])
  const byTarget = new Map(rows.map(row => [row.targetId, row]))
  return targetIds.map(targetId => byTarget.get(targetId))
}

const FIND = byGiftType(type => {
  const { name, targetColumn } = RESULT_TABLES[type]
  return new PreparedStatement<GiftRow>(`
    select ${giftColumns(type, PAID_FIELDS)}, ask_first or ${IS_ASK_FIRST} as "askFirst",
      date_part('epoch', least(created_at, kafka_time)) * 1000 as "createdAtMs"
    from ${name} where ${targetColumn} = any ($1::bigint[])`)
})
