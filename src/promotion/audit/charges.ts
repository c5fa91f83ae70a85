import type { Kysely } from 'kysely'
import { findAuditRows } from '#database/gifts/audit-rows.ts'
import type { MoneyCampaignChargeApi } from '#money/charge-api.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import { pause } from '#runtime/pause.ts'
import { judgeCharges, rowIdentity, targetOfKey } from './charge-match.ts'
import type { Discrepancies } from './discrepancies.ts'
import type { AuditProgress } from './report.ts'
import { MARK, type RowTable } from './row-table.ts'
import { rowCountOf } from './rows.ts'
import { readSettlement, type SettledCharge } from './settlement-file.ts'

/** Where charges are learnt from. */
export type ChargeSource =
  | { from: 'settlement'; path: string }
  | {
      from: 'api'
      moneyApi: Pick<MoneyCampaignChargeApi, 'lookup'>
      /** GETs at once, and most of them a second. */
      concurrency: number
      perSecond: number
    }

export interface ChargeSources {
  kysely: Kysely<unknown>
  promotionIds: readonly string[]
  tables: Readonly<Record<PromotionType, RowTable>>
  discrepancies: Discrepancies
  progress: AuditProgress
}

const RECHECK_SIZE = 500
const LOOKUP_ATTEMPTS = 5
const LOOKUP_PAUSE_MS = 500

/** Compares rows with charges, both ways as far as the source goes. */
export async function auditCharges(
  source: ChargeSource,
  sources: ChargeSources,
): Promise<{ chargedOnce: number; unanswered: number }> {
  const unanswered = source.from === 'api' ? await askForCharges(source, sources) : 0
  if (source.from === 'settlement') await readCharges(source.path, sources)
  let chargedOnce = 0
  for (const type of PROMOTION_TYPES) {
    const table = sources.tables[type]
    const doubtful: number[] = []
    chargedOnce += judgeCharges(type, table, sources.discrepancies, row => doubtful.push(row))
    chargedOnce += await judgeDoubtful(type, doubtful, sources)
  }
  return { chargedOnce, unanswered }
}

/** Charged, and not final when the rows were read: reported if that is still so. @returns how many are SUCCESS by now. */
async function judgeDoubtful(type: PromotionType, doubtful: readonly number[], sources: ChargeSources) {
  const table = sources.tables[type]
  let paidSince = 0
  for (let from = 0; from < doubtful.length; from += RECHECK_SIZE) {
    const page = doubtful.slice(from, from + RECHECK_SIZE)
    const targetIds = page.map(row => table.targetId(row))
    const now = await findAuditRows(sources.kysely, type, targetIds, 0)
    const paid = new Set(now.filter(row => row.processStatus === 'SUCCESS').map(row => row.targetId))
    paidSince += paid.size
    for (const row of page) {
      const identity = rowIdentity(type, table, row)
      if (!paid.has(table.targetId(row)))
        sources.discrepancies.add({ kind: 'charge-without-success', ...identity, key: `${type}:${identity.targetId}` })
    }
  }
  return paidSince
}

async function readCharges(path: string, sources: ChargeSources): Promise<void> {
  const unmatched: SettledCharge[] = []
  sources.progress.begin('charges', 0)
  for await (const charge of readSettlement(path)) {
    sources.progress.advance(1)
    const target = targetOfKey(charge.key)
    const row = target === undefined ? -1 : sources.tables[target.type].find(target.targetId)
    if (target !== undefined && row >= 0) sources.tables[target.type].noteCharge(row, charge)
    else unmatched.push(charge)
    if (unmatched.length >= RECHECK_SIZE) await judgeUnmatched(unmatched.splice(0), sources)
  }
  await judgeUnmatched(unmatched, sources)
  sources.progress.end()
}

/** Charges of no row that was read: of another promotion, of a row that came since, or of nothing. */
async function judgeUnmatched(unmatched: readonly SettledCharge[], sources: ChargeSources): Promise<void> {
  const scope = new Set(sources.promotionIds)
  const rows = new Map<string, { promotionId: string; processStatus: string }>()
  for (const type of PROMOTION_TYPES) {
    const targets = unmatched.flatMap(({ key }) => targetOfKey(key) ?? []).filter(target => target.type === type)
    if (targets.length === 0) continue
    const found = await findAuditRows(
      sources.kysely,
      type,
      targets.map(({ targetId }) => targetId),
      0,
    )
    for (const row of found) rows.set(`${type}:${row.targetId}`, row)
  }
  for (const { key, transactionKey } of unmatched) {
    const row = rows.get(key)
    if (row !== undefined && (row.processStatus === 'SUCCESS' || (scope.size > 0 && !scope.has(row.promotionId))))
      continue
    const detail = targetOfKey(key) === undefined ? 'a key that is not ours' : 'there is no such row'
    sources.discrepancies.add({
      kind: 'charge-without-success',
      key,
      transactionKey,
      ...(row === undefined ? { detail } : {}),
    })
  }
}

/** Asks for every row by its key. Returns how many got no answer. */
async function askForCharges(source: ChargeSource & { from: 'api' }, sources: ChargeSources): Promise<number> {
  const { tables, progress } = sources
  const pace = createPace(source.perSecond)
  const unanswered = new Unanswered()
  progress.begin('charges', rowCountOf(tables))
  for (const type of PROMOTION_TYPES) {
    const table = tables[type]
    let next = 0
    const work = async () => {
      while (next < table.size) {
        const row = next++
        const answer = await lookup(source, pace, { type, targetId: table.targetId(row) })
        unanswered.note(answer === 'unanswered')
        if (answer === 'unanswered') table.mark(row, MARK.unanswered)
        else if (answer !== 'no-charge') table.noteCharge(row, answer)
        progress.advance(1)
      }
    }
    await Promise.all(Array.from({ length: source.concurrency }, work))
  }
  progress.end()
  return unanswered.count
}

/** So many rows, each asked about several times: the rest of a million would take days. */
const MAX_UNANSWERED_IN_A_ROW = 100

class Unanswered {
  count = 0
  #inARow = 0

  /** Throws `MONEY_UNAVAILABLE` when nobody answers any more. */
  note(isUnanswered: boolean): void {
    this.#inARow = isUnanswered ? this.#inARow + 1 : 0
    if (isUnanswered) this.count += 1
    if (this.#inARow < MAX_UNANSWERED_IN_A_ROW) return
    throw new CodedError('MONEY_UNAVAILABLE', 'the Money API does not answer: charges cannot be compared now')
  }
}

async function lookup(
  { moneyApi }: ChargeSource & { from: 'api' },
  pace: () => Promise<void>,
  target: { type: PromotionType; targetId: string },
): Promise<{ transactionKey: string } | 'no-charge' | 'unanswered'> {
  for (let attempt = 1; attempt <= LOOKUP_ATTEMPTS; attempt++) {
    await pace()
    const meaning = await moneyApi.lookup(target)
    if (meaning.kind === 'charged') return meaning
    if (meaning.kind === 'no-charge') return 'no-charge'
    if (meaning.kind === 'unauthorized')
      throw new CodedError('MONEY_API_UNAUTHORIZED', `the Money API refuses our credentials (${meaning.code})`)
    await pause(Math.max(meaning.retryAfterMs ?? 0, LOOKUP_PAUSE_MS * attempt))
  }
  return 'unanswered'
}

/** Lets `perSecond` calls through, evenly. */
function createPace(perSecond: number): () => Promise<void> {
  let nextAt = 0
  return async () => {
    const now = performance.now()
    nextAt = Math.max(nextAt, now - 1000 / perSecond) + 1000 / perSecond
    if (nextAt > now + 1) await pause(nextAt - now)
  }
}
