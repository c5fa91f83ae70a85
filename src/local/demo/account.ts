import { createInterface } from 'node:readline'
import { type Kysely, sql } from 'kysely'
import { request } from 'undici'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import type { DemoPromotion } from './gifts.ts'

/** Where the gifts of the demo stand; everything counted, nothing inferred. */
export interface Account {
  messages: number
  rows: number
  states: Record<ProcessStatus, number>
  skipped: number
  invalid: number
  /** Charges in the Money API's ledger for the demo's promotions. */
  charges: number
  /** Charges beyond the first of a key. */
  duplicateCharges: number
  /** Messages that are neither a row, nor skipped, nor invalid. */
  missing: number
  /** SUCCESS rows without their charge, and charges whose row is not SUCCESS (UNKNOWN ones are what they are). */
  disagreements: number
}

export interface AccountSources {
  kysely: Kysely<unknown>
  promotions: readonly DemoPromotion[]
  /** Acknowledged by Kafka. */
  messages: number
  /** Records on the demo's invalid topic. */
  invalid: number
  moneyUrl: string
}

/** Joins what Kafka acknowledged, the rows, and the Money API's ledger. */
export async function takeAccount(sources: AccountSources): Promise<Account> {
  const { kysely, promotions, messages, invalid } = sources
  const states = await countStates(kysely, promotions)
  const rows = PROCESS_STATUSES.reduce((sum, status) => sum + states[status], 0)
  const skipped = await countSkipped(kysely, promotions)
  const ledger = await compareLedger(sources)
  return {
    messages,
    rows,
    states,
    skipped,
    invalid,
    charges: ledger.charges,
    duplicateCharges: ledger.duplicates,
    missing: messages - rows - skipped - invalid,
    disagreements: states.SUCCESS - ledger.ofSuccess + ledger.ofOthers,
  }
}

/** Does everything add up? UNKNOWN rows count as what they are: charged or not, nobody said. */
export function isBalanced({ missing, duplicateCharges, disagreements, states }: Account): boolean {
  return missing === 0 && duplicateCharges === 0 && disagreements === 0 && states.PENDING === 0 && states.RETRYING === 0
}

export async function countStates(
  kysely: Kysely<unknown>,
  promotions: readonly DemoPromotion[],
): Promise<Record<ProcessStatus, number>> {
  const states: Record<ProcessStatus, number> = { PENDING: 0, RETRYING: 0, SUCCESS: 0, FAILED: 0, UNKNOWN: 0 }
  for (const { id, type } of promotions) {
    const { rows } = await sql<{ status: ProcessStatus; count: number }>`
      select process_status as status, count(*)::float8 as count from ${sql.table(RESULT_TABLES[type].name)}
      where promotion_id = ${id}::bigint group by process_status`.execute(kysely)
    for (const { status, count } of rows) states[status] += count
  }
  return states
}

export async function countSkipped(kysely: Kysely<unknown>, promotions: readonly DemoPromotion[]): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::float8 as count from campaign_promotion_skipped
    where promotion_id = any (${promotions.map(({ id }) => id)}::bigint[])`.execute(kysely)
  return rows[0]?.count ?? 0
}

interface LedgerCharge {
  targetId: string
  amount: string
  transactionKey: string
}

const COMPARE_CHUNK = 5000

/** Walks the ledger once, in chunks: how many charges, how many beyond the first of a key, how many meet which row. */
async function compareLedger({ kysely, promotions, moneyUrl }: AccountSources) {
  const total = { charges: 0, duplicates: 0, ofSuccess: 0, ofOthers: 0 }
  for (const promotion of promotions) {
    const seen = new Set<string>()
    let chunk: LedgerCharge[] = []
    const flush = async () => {
      const met = await meetRows(kysely, promotion, chunk)
      total.ofSuccess += met.ofSuccess
      total.ofOthers += chunk.length - met.ofSuccess - met.ofUnknown
      chunk = []
    }
    for await (const charge of ledgerCharges(moneyUrl, promotion.id)) {
      total.charges += 1
      if (seen.has(charge.targetId)) total.duplicates += 1
      else chunk.push(charge)
      seen.add(charge.targetId)
      if (chunk.length === COMPARE_CHUNK) await flush()
    }
    await flush()
  }
  return total
}

async function meetRows(kysely: Kysely<unknown>, { type }: DemoPromotion, charges: readonly LedgerCharge[]) {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ ofSuccess: number; ofUnknown: number }>`
    select (count(*) filter (where r.process_status = 'SUCCESS' and r.money_key = c.key and r.amount = c.amount))::float8
      as "ofSuccess", (count(*) filter (where r.process_status = 'UNKNOWN'))::float8 as "ofUnknown"
    from unnest(${charges.map(charge => charge.targetId)}::bigint[], ${charges.map(charge => charge.amount)}::bigint[],
      ${charges.map(charge => charge.transactionKey)}::text[]) as c (target_id, amount, key)
    join ${sql.table(name)} r on r.${sql.ref(targetColumn)} = c.target_id`.execute(kysely)
  return rows[0] ?? { ofSuccess: 0, ofUnknown: 0 }
}

async function* ledgerCharges(moneyUrl: string, promotionId: string): AsyncGenerator<LedgerCharge> {
  const { body } = await request(`${moneyUrl}/ledger/charges?promotionId=${promotionId}`)
  for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') yield JSON.parse(line) as LedgerCharge
  }
}

/** The account as a person reads it. */
export function describeAccount(account: Account): string[] {
  const { states } = account
  const line = (label: string, value: number, note = '') =>
    `  ${label.padEnd(28)}${value.toLocaleString('en').padStart(12)}${note === '' ? '' : `   ${note}`}`
  return [
    line('Kafka messages', account.messages),
    line('result rows', account.rows),
    ...PROCESS_STATUSES.filter(status => states[status] > 0).map(status => line(`  ${status}`, states[status])),
    line('skipped', account.skipped),
    line('invalid', account.invalid),
    line('charges', account.charges, 'in the Money API’s ledger'),
    line('charged twice', account.duplicateCharges),
    line('missing', account.missing),
    line('row and charge disagree', account.disagreements),
  ]
}
