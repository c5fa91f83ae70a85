import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { findAuditRows, listAuditPromotions } from '#database/gifts/audit-rows.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { PromotionEntry, PromotionStream } from '#queues/promotion-stream.ts'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'
import { rowIdentity } from './charge-match.ts'
import type { Discrepancies } from './discrepancies.ts'
import { readGift } from './messages/gift-reader.ts'
import { MARK, type RowTable } from './row-table.ts'

export interface UnfinishedSources {
  kysely: Kysely<unknown>
  connection: StreamConnection
  streams: Readonly<Record<PromotionType, PromotionStream>>
  retryJobs: Pick<RetryJobs, 'findLive'>
  /** Bound of one stream. */
  maxLen: number
  sweepAgeMs: number
  promotionIds: readonly string[]
  tables: Readonly<Record<PromotionType, RowTable>>
  discrepancies: Discrepancies
}

const PAGE_SIZE = 500
/** A row that has just become RETRYING gets its job within this, through the retry topic. */
const JOB_GRACE_MS = 2000

/** Every PENDING row must be on its way to a worker, every RETRYING one must have a job. */
export async function auditUnfinished(sources: UnfinishedSources): Promise<void> {
  const promotions = await listAuditPromotions(sources.kysely, sources.promotionIds)
  const statuses = new Map(promotions.map(({ id, status }) => [id, status]))
  for (const type of PROMOTION_TYPES) {
    await auditPending(type, statuses, sources)
    await auditRetrying(type, statuses, sources)
  }
}

/** READY, PAUSED and STOPPED promotions have no entries; a COMPLETED one has nothing PENDING. */
async function auditPending(
  type: PromotionType,
  statuses: ReadonlyMap<string, PromotionStatus>,
  sources: UnfinishedSources,
): Promise<void> {
  const table = sources.tables[type]
  const left: number[] = []
  const old: number[] = []
  for (const row of table.rowsIn('PENDING')) {
    const status = statuses.get(table.promotionId(row))
    if (status === 'COMPLETED') left.push(row)
    else if (status === 'IN_PROGRESS' && table.has(row, MARK.old)) old.push(row)
  }
  const lengths = new Map<string, number>()
  for (const promotionId of new Set(old.map(row => table.promotionId(row))))
    lengths.set(promotionId, await markEntries(type, promotionId, sources))
  for (const row of old) {
    // Refill fills a stream that is below half: a row it has not come to waits for room.
    const isWaiting = !table.has(row, MARK.enqueued) && (lengths.get(table.promotionId(row)) ?? 0) >= sources.maxLen / 2
    if (!table.has(row, MARK.onStream) && !isWaiting) left.push(row)
  }
  await forEachStill('PENDING', type, left, sources, row =>
    sources.discrepancies.add({ kind: 'pending-without-entry', ...rowIdentity(type, table, row) }),
  )
}

async function markEntries(type: PromotionType, promotionId: string, sources: UnfinishedSources): Promise<number> {
  const { connection, streams, tables } = sources
  const queue = new StreamQueue<PromotionEntry>(streams[type].streamKey(promotionId), { connection, codec: 'flat' })
  let length = 0
  for await (const { message } of queue.entries()) {
    length += 1
    const targetId = readGift(type, message)?.targetId
    const row = targetId === undefined ? -1 : tables[type].find(targetId)
    if (row >= 0) tables[type].mark(row, MARK.onStream)
  }
  return length
}

/** Paused and stopped promotions get their jobs back when they go on. */
async function auditRetrying(
  type: PromotionType,
  statuses: ReadonlyMap<string, PromotionStatus>,
  sources: UnfinishedSources,
): Promise<void> {
  const table = sources.tables[type]
  let suspects: number[] = []
  for (const row of table.rowsIn('RETRYING')) {
    const status = statuses.get(table.promotionId(row))
    if (status !== 'PAUSED' && status !== 'STOPPED') suspects.push(row)
  }
  suspects = await withoutJob(type, suspects, sources)
  if (suspects.length === 0) return
  await sleep(JOB_GRACE_MS)
  suspects = await withoutJob(type, suspects, sources)
  await forEachStill('RETRYING', type, suspects, sources, row =>
    sources.discrepancies.add({ kind: 'retrying-without-job', ...rowIdentity(type, table, row) }),
  )
}

async function withoutJob(
  type: PromotionType,
  rows: readonly number[],
  { tables, retryJobs }: UnfinishedSources,
): Promise<number[]> {
  const without: number[] = []
  for (const page of pagesOf(rows)) {
    const live = await retryJobs.findLive(
      type,
      page.map(row => tables[type].targetId(row)),
    )
    without.push(...page.filter((_row, index) => live[index] === false))
  }
  return without
}

/** Those that are still in `status` now: what has moved on since the rows were read was under way. */
async function forEachStill(
  status: 'PENDING' | 'RETRYING',
  type: PromotionType,
  rows: readonly number[],
  { kysely, tables, sweepAgeMs }: UnfinishedSources,
  report: (row: number) => void,
): Promise<void> {
  for (const page of pagesOf(rows)) {
    const targetIds = page.map(row => tables[type].targetId(row))
    const now = await findAuditRows(kysely, type, targetIds, sweepAgeMs)
    const still = new Set(now.filter(row => row.processStatus === status).map(row => row.targetId))
    for (const row of page) if (still.has(tables[type].targetId(row))) report(row)
  }
}

function* pagesOf(rows: readonly number[]): Generator<number[]> {
  for (let from = 0; from < rows.length; from += PAGE_SIZE) yield rows.slice(from, from + PAGE_SIZE)
}
