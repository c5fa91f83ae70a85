import type { Kysely } from 'kysely'
import { digitsArray, textArray } from '#database/array-literal.ts'
import { PreparedStatement } from '#database/prepared.ts'
import { byGiftType } from '#queues/gift-types.ts'
import type { GiftRecord, Transition, TransitionOutcome } from './gift.ts'
import { giftColumns } from './gift-columns.ts'
import { RESULT_TABLES, type ResultTable } from './result-table.ts'

const CHANGED: TransitionOutcome = { changed: true }

/**
 * Moves many rows in one statement and one commit. Rows are moved in the order of their target ids, then summaries by id,
 * so that two batches never deadlock. Only PENDING and RETRYING rows move, and UNKNOWN ones to SUCCESS or FAILED: nothing
 * leaves SUCCESS or FAILED. A summary counter moves with its row, once; a missing summary row is made; what other promotions
 * than the summary's own have in it is counted beside it. What becomes UNKNOWN is put on the list of those to check.
 */
export async function moveGifts(
  kysely: Kysely<unknown>,
  table: ResultTable,
  transitions: readonly Transition[],
): Promise<TransitionOutcome[]> {
  const outcomes: TransitionOutcome[] = new Array(transitions.length)
  let round = [...transitions.keys()]
  // One UPDATE moves a row once: a target that stands twice takes its second move in a second statement.
  while (round.length > 0) {
    const now = new Map<string, number>()
    const later: number[] = []
    for (const index of round) {
      const { targetId } = transitions[index] as Transition
      if (now.has(targetId)) later.push(index)
      else now.set(targetId, index)
    }
    await moveOnce(kysely, table, { transitions, indexOf: now, outcomes })
    round = later
  }
  return outcomes
}

interface Round {
  transitions: readonly Transition[]
  /** Of a target's move among the transitions. */
  indexOf: ReadonlyMap<string, number>
  outcomes: TransitionOutcome[]
}

async function moveOnce(kysely: Kysely<unknown>, table: ResultTable, { transitions, indexOf, outcomes }: Round) {
  // Any order will do that is the same for all batches.
  const targetIds = [...indexOf.keys()].sort()
  const moves = targetIds.map(targetId => transitions[indexOf.get(targetId) as number] as Transition)
  const [answer] = await MOVE[table.type].run(kysely, [
    digitsArray(targetIds),
    textArray(moves.map(move => move.to)),
    textArray(moves.map(move => (move.to === 'SUCCESS' ? move.moneyKey : null))),
    textArray(moves.map(move => (move.to === 'SUCCESS' ? null : move.errorCode))),
    textArray(moves.map(move => (move.to === 'SUCCESS' ? null : move.errorMessage))),
    digitsArray(moves.map(move => move.posts)),
  ])
  for (const index of indexOf.values()) outcomes[index] = CHANGED
  if (answer?.count === targetIds.length) return
  const changed = new Set(answer?.targetIds)
  const unchanged = targetIds.filter(targetId => !changed.has(targetId))
  const states = await STATES[table.type].run(kysely, [digitsArray(unchanged)])
  const stateOf = new Map(states.map(({ targetId, ...state }) => [targetId, state]))
  for (const targetId of unchanged) {
    const previous = stateOf.get(targetId)
    outcomes[indexOf.get(targetId) as number] = { changed: false, ...(previous === undefined ? {} : { previous }) }
  }
}

interface MoveAnswer {
  count: number
  /** Those that moved; null when all did. */
  targetIds: string[] | null
}

/**
 * Whether a row moves is decided on its version under its lock, once: an UPDATE that waited for another looks at the row
 * again. No CTE is joined with another, and the one join goes from the array to the unique index: a plan for any number of
 * rows, and the order of the array.
 */
const MOVE = byGiftType(type => {
  const { name, targetColumn } = RESULT_TABLES[type]
  return new PreparedStatement<MoveAnswer>(`
    with changed as (
      update ${name} r set process_status = i.status, money_key = coalesce(i.money_key, r.money_key),
        attempts = r.attempts + i.posts, error_code = i.error_code, error_message = i.error_message, updated_at = now()
      from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])
        as i (target_id, status, money_key, error_code, error_message, posts)
      where r.${targetColumn} = i.target_id and (r.process_status in ('PENDING', 'RETRYING')
        or (r.process_status = 'UNKNOWN' and i.status in ('SUCCESS', 'FAILED')))
      returning i.target_id, r.promotion_id, r.promotion_summary_id, r.process_status
    ), counted as (
      insert into campaign_promotion_summary as s (id, promotion_id, success_count, failed_count)
      select promotion_summary_id, min(promotion_id), count(*) filter (where process_status = 'SUCCESS'),
        count(*) filter (where process_status = 'FAILED')
      from changed where process_status in ('SUCCESS', 'FAILED')
      group by promotion_summary_id order by promotion_summary_id
      on conflict (id) do update set success_count = s.success_count + excluded.success_count,
        failed_count = s.failed_count + excluded.failed_count
      returning id, promotion_id
    ), shared as (
      insert into campaign_promotion_summary_share as s (summary_id, promotion_id, success_count, failed_count)
      select o.id, c.promotion_id, count(*) filter (where c.process_status = 'SUCCESS'),
        count(*) filter (where c.process_status = 'FAILED')
      from changed c join counted o on o.id = c.promotion_summary_id and o.promotion_id <> c.promotion_id
      where c.process_status in ('SUCCESS', 'FAILED')
      group by o.id, c.promotion_id order by o.id, c.promotion_id
      on conflict (summary_id, promotion_id) do update set success_count = s.success_count + excluded.success_count,
        failed_count = s.failed_count + excluded.failed_count
    ), to_check as (
      insert into campaign_promotion_unknown_check (type, target_id, promotion_id)
      select '${type}', target_id, promotion_id from changed where process_status = 'UNKNOWN' order by target_id
      on conflict (type, target_id) do update set checks = 0, next_check_at = now()
    )
    select count(*)::int as count,
      case when count(*) < cardinality($1::bigint[]) then array_agg(target_id::text) end as "targetIds" from changed`)
})

type State = Pick<GiftRecord, 'targetId' | 'processStatus' | 'moneyKey'>

/** What did not move is final, UNKNOWN, or not there: what the row says now is what it said then. */
const STATES = byGiftType(type => {
  const { name, targetColumn } = RESULT_TABLES[type]
  return new PreparedStatement<State>(`
    select ${giftColumns(type, ['targetId', 'processStatus', 'moneyKey'])}
    from ${name} where ${targetColumn} = any ($1::bigint[])`)
})
