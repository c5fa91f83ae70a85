import { type Kysely, sql } from 'kysely'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { archivedColumns } from './archived-gifts.ts'
import { insertBounded } from './bounded-insert.ts'
import type { InsertOutcome, NewGift, SkipReason } from './gift.ts'
import { giftColumns } from './gift-columns.ts'
import { type InsertAnswer, type InsertLimits, NO_LIMITS } from './insert-answer.ts'
import { insertPlain } from './plain-insert.ts'
import type { ResultTable } from './result-table.ts'

/**
 * Inserts many gifts in one statement and one commit, in the order of their target ids.
 *
 * The promotion's status is checked in the same statement, under a share lock that an UPDATE of the promotion waits
 * for: an insert and a completion exclude each other. So are its ceilings, under the lock of what has been taken of them,
 * gift by gift in their order: one that does not fit leaves its room to the next. A gift is a duplicate only by its
 * target's unique key, or by that of one that was archived.
 */
export async function insertGifts(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  limits: InsertLimits = NO_LIMITS,
): Promise<InsertOutcome[]> {
  const plain = await insertPlain(kysely, table, gifts, limits)
  const answers = plain ?? (await insertBounded(kysely, table, gifts, limits))
  const seen = new Set<string>()
  const outcomes: InsertOutcome[] = new Array(gifts.length)
  const unresolved: number[] = []
  for (const [index, answer] of answers.entries()) {
    const { targetId } = gifts[index] as NewGift
    const couldBe = answer.inserted && skipReason(answer, table) === undefined
    // Two gifts of one batch with one target: the first that could be is the row, the other must be compared with it.
    if (couldBe && !seen.has(targetId)) {
      seen.add(targetId)
      outcomes[index] = {
        kind: 'inserted',
        promotionStatus: answer.status as PromotionStatus,
        enqueued: answer.enqueued === true,
      }
    } else unresolved.push(index)
  }
  await resolveOthers(kysely, table, gifts, { answers, unresolved, outcomes })
  return outcomes
}

/** By what a gift is the same as the one that has its target. */
const IDENTITY = ['targetId', 'promotionId', 'memberId', 'amount'] as const
type Holder = Pick<NewGift, (typeof IDENTITY)[number]>

interface Unresolved {
  answers: readonly InsertAnswer[]
  unresolved: readonly number[]
  outcomes: InsertOutcome[]
}

/** Tells duplicates, conflicts and skipped ones apart: by the row that holds the target, then by the promotion. */
async function resolveOthers(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  { answers, unresolved, outcomes }: Unresolved,
): Promise<void> {
  if (unresolved.length === 0) return
  const target = sql.ref(table.targetColumn)
  const targetIds = unresolved.map(index => (gifts[index] as NewGift).targetId)
  const { rows } = await sql<Holder>`
    select ${sql.raw(giftColumns(table.type, IDENTITY))}
    from ${sql.table(table.name)} where ${target} = any (${targetIds}::bigint[])
    union all
    select ${sql.raw(archivedColumns(IDENTITY))} from campaign_promotion_archived_gift t
    where t.type = ${table.type} and t.target_id = any (${targetIds}::bigint[])`.execute(kysely)
  const holders = new Map(rows.map(row => [row.targetId, row]))
  for (const index of unresolved) {
    const gift = gifts[index] as NewGift
    const answer = answers[index] as InsertAnswer
    outcomes[index] = judge(gift, holders.get(gift.targetId), skipReason(answer, table))
  }
}

/** A message delivered again is a duplicate even when its promotion has ended since: its row is its account. */
function judge(gift: NewGift, holder: Holder | undefined, reason: SkipReason | undefined): InsertOutcome {
  const isSame =
    holder?.promotionId === gift.promotionId && holder.memberId === gift.memberId && holder.amount === gift.amount
  if (isSame) return { kind: 'duplicate' }
  if (reason !== undefined) return { kind: 'skipped', reason }
  if (holder !== undefined) return { kind: 'target-conflict' }
  throw new Error(`insert of ${gift.targetId} met a row that is gone`)
}

function skipReason(answer: InsertAnswer, table: ResultTable): SkipReason | undefined {
  if (answer.status === null) return 'promotion-not-found'
  if (answer.type !== table.type) return 'promotion-type-mismatch'
  if (answer.status === 'COMPLETED') return 'promotion-completed'
  if (answer.status === 'STOPPED') return 'promotion-stopped'
  return answer.over ?? undefined
}
