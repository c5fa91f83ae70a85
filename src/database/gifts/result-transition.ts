import { type Kysely, sql } from 'kysely'
import { PREPARED } from '#database/prepared.ts'
import type { Transition, TransitionOutcome } from './gift.ts'
import type { ProcessStatus } from './process-status.ts'
import type { ResultTable } from './result-table.ts'

interface TransitionAnswer {
  targetId: string
  processStatus: ProcessStatus
  moneyKey: string | null
  changed: boolean
}

/**
 * Moves many rows in one statement and one commit. Rows are locked in the order of their target ids, then summaries by
 * id, so that two batches never deadlock. Only PENDING and RETRYING rows move, and UNKNOWN ones to SUCCESS or FAILED:
 * nothing leaves SUCCESS or FAILED. A summary counter moves with its row, once; a missing summary row is made; what other
 * promotions than the summary's own have in it is counted beside it. What
 * becomes UNKNOWN is put on the list of those to check.
 */
export async function moveGifts(
  kysely: Kysely<unknown>,
  table: ResultTable,
  transitions: readonly Transition[],
): Promise<TransitionOutcome[]> {
  const outcomes: TransitionOutcome[] = new Array(transitions.length)
  let round = [...transitions.entries()]
  // One UPDATE moves a row once: a target that stands twice takes its second move in a second statement.
  while (round.length > 0) {
    const now = new Map<string, number>()
    const later: typeof round = []
    for (const entry of round) {
      const [index, { targetId }] = entry
      if (now.has(targetId)) later.push(entry)
      else now.set(targetId, index)
    }
    const rows = await runMove(
      kysely,
      table,
      [...now.values()].map(index => transitions[index] as Transition),
    )
    const answers = new Map(rows.map(row => [row.targetId, row]))
    for (const [targetId, index] of now) outcomes[index] = outcomeOf(answers.get(targetId))
    round = later
  }
  return outcomes
}

function outcomeOf(answer: TransitionAnswer | undefined): TransitionOutcome {
  if (answer === undefined) return { changed: false }
  const { changed, processStatus, moneyKey } = answer
  return { changed, previous: { processStatus, moneyKey } }
}

async function runMove(
  kysely: Kysely<unknown>,
  table: ResultTable,
  moves: readonly Transition[],
): Promise<TransitionAnswer[]> {
  const target = sql.ref(`r.${table.targetColumn}`)
  const results = sql.table(table.name)
  // Whether a row moves is decided under its lock, once. No CTE is joined with another: a plan for any number of rows.
  const { rows } = await sql<TransitionAnswer>`${PREPARED}
    with locked as materialized (
      select r.id, ${target} as target_id, r.process_status as was, r.money_key as had,
        i.status, i.money_key, i.error_code, i.error_message, i.posts,
        r.process_status in ('PENDING', 'RETRYING')
          or (r.process_status = 'UNKNOWN' and i.status in ('SUCCESS', 'FAILED')) as moves
      from unnest(
        ${moves.map(move => move.targetId)}::bigint[], ${moves.map(move => move.to)}::text[],
        ${moves.map(move => (move.to === 'SUCCESS' ? move.moneyKey : null))}::text[],
        ${moves.map(move => (move.to === 'SUCCESS' ? null : move.errorCode))}::text[],
        ${moves.map(move => (move.to === 'SUCCESS' ? null : move.errorMessage))}::text[],
        ${moves.map(move => move.posts)}::int[]
      ) as i (target_id, status, money_key, error_code, error_message, posts)
      join ${results} r on ${target} = i.target_id
      order by ${target} for no key update of r
    ), changed as (
      update ${results} r set process_status = l.status, money_key = coalesce(l.money_key, r.money_key),
        attempts = r.attempts + l.posts, error_code = l.error_code, error_message = l.error_message, updated_at = now()
      from locked l where r.id = l.id and l.moves
      returning l.target_id, r.promotion_id, r.promotion_summary_id, r.process_status
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
      select ${table.type}, target_id, promotion_id from changed where process_status = 'UNKNOWN' order by target_id
      on conflict (type, target_id) do update set checks = 0, next_check_at = now()
    )
    select target_id as "targetId", was as "processStatus", had as "moneyKey", moves as changed from locked`.execute(
    kysely,
  )
  return rows
}
