import { type Kysely, sql } from 'kysely'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { createLagReader } from '#kafka/lag.ts'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, topicOf } from '../support/chaos.ts'
import { readHistory } from './history.ts'
import { charges, readRequests } from './ledger.ts'

/** What a drained installation came to: nothing in `violations` is what the product promises. */
export interface Verdict {
  violations: string[]
  figures: Record<string, unknown>
}

export interface JudgeOptions {
  drainedSeconds: number
  standstillMs: number
  /** POSTs that the scenario itself explains. */
  repeats: number
}

const DRAIN_SECONDS = 120
const IDLE_MS = 60_000
/** Streams, pending marks and offsets settle just behind the last row. */
const SETTLE_MS = 30_000
const GROUPS = ['voucher', 'point', 'voucher-retry', 'point-retry']

interface Row {
  target: string
  status: string
  amount: string
  key: string | null
}

/** I1 to I7 from what cannot be wrong together: the ledger, the rows and their history, skipped ones, Redis and Kafka. */
export async function judge(system: ChaosSystem, options: JudgeOptions): Promise<Verdict> {
  const states: Record<string, number> = {}
  const found: string[] = []
  for (const promotion of system.planned) found.push(...(await judgePromotion(system, promotion, states)))
  const { leftFinal, timeOuts } = await readHistory(system.kysely)
  if (leftFinal > 0) found.push(`I4: ${leftFinal} rows left SUCCESS or FAILED`)
  const left = await leavings(system)
  for (const [what, count] of Object.entries(left)) if (count !== 0) found.push(`I5: ${what} is ${count}`)
  const requests = await readRequests(system.env.MONEY_API_URL!)
  const extra = requests.posts - requests.keys
  const allowed = requests.spoilt + timeOuts + system.repeats + options.repeats
  if (extra > allowed) found.push(`I6: ${extra} POSTs beyond one a gift, at most ${allowed} can be explained`)
  if (options.drainedSeconds > DRAIN_SECONDS) found.push(`I7: drained in ${options.drainedSeconds} s`)
  if (options.standstillMs > IDLE_MS) found.push(`I7: nothing became final for ${options.standstillMs} ms`)
  const figures = { states, kills: system.kills, killsInFlight: system.killsInFlight, timeOuts, extraPosts: extra }
  return { violations: found, figures: { ...figures, extraPostsAllowed: allowed, requests } }
}

/** I1, I2, I3 and the rows' part of I5. */
async function judgePromotion(
  system: ChaosSystem,
  promotion: DemoPromotion,
  states: Record<string, number>,
): Promise<string[]> {
  const { kysely, env } = system
  const found: string[] = []
  const say = (what: string, ids: readonly string[]) => {
    if (ids.length > 0)
      found.push(`${what} (promotion ${promotion.id}): ${ids.length}, as ${ids.slice(0, 3).join(', ')}`)
  }
  const all = await readRows(kysely, promotion)
  const rows = new Map(all.map(row => [row.target, row]))
  const skipped = await readSkipped(kysely, promotion.id)
  const wanted = new Set(
    Array.from({ length: system.published.get(promotion.id) ?? 0 }, (_, index) =>
      String(promotion.firstTargetId + BigInt(index)),
    ),
  )
  say('I1: two rows of one gift', all.filter(row => rows.get(row.target) !== row).map(targetOf))
  say(
    'I1: lost',
    [...wanted].filter(id => !rows.has(id) && !skipped.has(id) && !system.invalid.has(id)),
  )
  say(
    'I1: invented',
    [...rows.keys()].filter(id => !wanted.has(id)),
  )
  const paid = new Map<string, string>()
  const twice: string[] = []
  for await (const { targetId, amount } of charges(env.MONEY_API_URL!, promotion.id)) {
    if (paid.has(targetId)) twice.push(targetId)
    paid.set(targetId, amount)
  }
  say('I2: charged twice', twice)
  say(
    'I2: charged without a row',
    [...paid.keys()].filter(id => !rows.has(id)),
  )
  const of = (status: string) => [...rows.values()].filter(row => row.status === status)
  say(
    'I3: SUCCESS without its charge',
    of('SUCCESS')
      .filter(row => paid.get(row.target) !== row.amount)
      .map(targetOf),
  )
  say(
    'I3: FAILED and charged',
    of('FAILED')
      .filter(row => paid.has(row.target))
      .map(targetOf),
  )
  const sum = (amounts: Iterable<string>) => [...amounts].reduce((total, amount) => total + BigInt(amount), 0n)
  const open = of('UNKNOWN').filter(row => paid.has(row.target))
  const [rowSum, paidSum] = [sum([...of('SUCCESS'), ...open].map(({ amount }) => amount)), sum(paid.values())]
  if (rowSum !== paidSum) found.push(`I3 (promotion ${promotion.id}): rows say ${rowSum}, the ledger ${paidSum}`)
  say('I5: not final', [...of('PENDING'), ...of('RETRYING')].map(targetOf))
  for (const { status } of rows.values()) states[status] = (states[status] ?? 0) + 1
  return found
}

function targetOf({ target }: Row): string {
  return target
}

async function readRows(kysely: Kysely<unknown>, { id, type }: DemoPromotion): Promise<Row[]> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<Row>`
    select ${sql.ref(targetColumn)}::text as target, process_status as status, amount::text as amount, money_key as key
    from ${sql.table(name)} where promotion_id = ${id}::bigint`.execute(kysely)
  return rows
}

async function readSkipped(kysely: Kysely<unknown>, promotionId: string): Promise<Set<string>> {
  const { rows } = await sql<{ target: string }>`
    select target_id::text as target from campaign_promotion_skipped where promotion_id = ${promotionId}::bigint`.execute(
    kysely,
  )
  return new Set(rows.map(({ target }) => target))
}

/** What is left on streams and topics, after a while to settle. */
async function leavings(system: ChaosSystem): Promise<Record<'XLEN' | 'XPENDING' | 'Kafka lag', number>> {
  const lag = createLagReader(system.kafka)
  const look = async () => {
    const each = await Promise.all(system.planned.map(promotion => system.leftOnStream(promotion)))
    const lags = await Promise.all(
      GROUPS.map(kind => lag.read(`${system.groupId}-${kind}`, topicOf(kind)).catch(() => -1)),
    )
    return {
      XLEN: each.reduce((sum, { length }) => sum + length, 0),
      XPENDING: each.reduce((sum, { pending }) => sum + pending, 0),
      'Kafka lag': lags.reduce((sum, behind) => sum + behind, 0),
    }
  }
  const isClean = async () => Object.values(await look()).every(count => count === 0)
  await system.until('nothing left', isClean, SETTLE_MS, 500).catch(() => undefined)
  const left = await look()
  await lag.stop()
  return left
}
