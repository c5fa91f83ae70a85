import { createWriteStream, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Kysely, sql } from 'kysely'
import { request } from 'undici'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { type AuditSources, audit } from '#promotion/audit/audit.ts'
import type { DiscrepancyKind } from '#promotion/audit/discrepancies.ts'
import { type AuditReport, describeReport } from '#promotion/audit/report.ts'
import type { DemoPromotion } from './gifts.ts'

/** Where the gifts of the demo stand, as the audit finds them. */
export interface Account {
  messages: number
  rows: number
  states: Record<ProcessStatus, number>
  skipped: number
  invalid: number
  /** Charges in the Money API's ledger for the demo's promotions. */
  charges: number
  /** Gifts that were charged more than once. */
  duplicateCharges: number
  /** Messages that are neither a row, nor skipped, nor invalid. */
  missing: number
  /** SUCCESS rows without their charge, and charges whose row is not SUCCESS (UNKNOWN ones are what they are). */
  disagreements: number
  /** Whatever else the audit found: messages that differ from rows, counters that do not say what the rows say. */
  others: number
  /** The audit's own words. */
  findings: readonly string[]
}

export interface AccountSources {
  kysely: Kysely<unknown>
  promotions: readonly DemoPromotion[]
  /** Acknowledged by Kafka. */
  messages: number
  /** Records on the demo's invalid topic. */
  invalid: number
  moneyUrl: string
  /** Where the audit reads the messages; undefined on a mock cluster, which knows no offsets of groups. */
  kafka: AuditSources['kafka'] | undefined
}

const NO_PROGRESS: AuditSources['progress'] = { begin: () => undefined, advance: () => undefined, end: () => undefined }
/** Nothing is unfinished when the account is taken; and what is, is counted by its state. */
const SWEEP_AGE_MS = 60_000

/** Audits the demo's promotions against Kafka and the Money API's ledger, which serves as its settlement. */
export async function takeAccount(sources: AccountSources): Promise<Account> {
  const { kysely, promotions, messages, invalid, kafka } = sources
  const folder = mkdtempSync(join(tmpdir(), 'promostream-ledger-'))
  try {
    const path = join(folder, 'charges.jsonl')
    const charges = await saveLedger(sources, path)
    const report = await audit({
      kysely,
      promotionIds: promotions.map(({ id }) => id),
      ...(kafka === undefined ? {} : { kafka }),
      charges: { from: 'settlement', path },
      sweepAgeMs: SWEEP_AGE_MS,
      limit: 2 * messages + charges,
      progress: NO_PROGRESS,
    })
    const skipped = await countSkipped(kysely, promotions)
    const missing = messages - report.rows - skipped - invalid
    return { messages, skipped, invalid, charges, missing, ...foundBy(report) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Row and ledger do not say the same. */
const CHARGE_KINDS: ReadonlySet<DiscrepancyKind> = new Set([
  'success-without-charge',
  'charge-without-success',
  'charge-amount-differs',
  'failed-with-charge',
  'money-key-differs',
])

/** What the audit says, as the account counts it. */
export function foundBy(report: AuditReport) {
  const { rows, states } = report
  // Charged or not, nobody said: that is what UNKNOWN means.
  const open = report.discrepancies.filter(
    ({ kind, status }) => !(kind === 'charge-without-success' && status === 'UNKNOWN'),
  )
  const disagreements = open.filter(({ kind }) => CHARGE_KINDS.has(kind)).length
  const duplicateCharges = report.double ?? 0
  const others = open.length - disagreements - duplicateCharges
  return { rows, states, duplicateCharges, disagreements, others, findings: describeReport(report) }
}

/** Does everything add up? */
export function isBalanced({ missing, duplicateCharges, disagreements, others, states }: Account): boolean {
  const wrong = missing !== 0 || duplicateCharges + disagreements + others > 0
  return !wrong && states.PENDING === 0 && states.RETRYING === 0
}

/** The Money API's charges of these promotions, one a line. @returns how many. */
async function saveLedger({ moneyUrl, promotions }: AccountSources, path: string): Promise<number> {
  let count = 0
  async function* lines() {
    for (const { id } of promotions) {
      const { body } = await request(`${moneyUrl}/ledger/charges?promotionId=${id}`)
      for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
        if (line === '') continue
        count += 1
        yield `${line}\n`
      }
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(path))
  return count
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
