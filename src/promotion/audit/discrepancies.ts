import type { ProcessStatus } from '#database/gifts/process-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** What can be wrong between Kafka, rows, stream, retry jobs, charges and counters. */
export const DISCREPANCY_KINDS = {
  'message-without-row': 'Kafka messages without a row, nor skipped, nor invalid',
  'row-without-message': 'rows whose Kafka message does not exist',
  'row-differs-from-message': 'rows with another promotion, member or amount than their message',
  'success-without-charge': 'SUCCESS rows without a charge',
  'charge-without-success': 'charges whose row is not SUCCESS, or does not exist',
  'double-charge': 'targets that were charged more than once',
  'charge-amount-differs': 'charges of another amount than their row',
  'failed-with-charge': 'FAILED rows that were charged',
  'money-key-differs': 'SUCCESS rows with another transaction key than their charge',
  'pending-without-entry': 'orphaned PENDING rows: no entry on the stream, older than SWEEP_AGE_MS',
  'retrying-without-job': 'RETRYING rows without a live retry job',
  'summary-counter-off': 'summary counters that do not say what the rows say',
} as const

export type DiscrepancyKind = keyof typeof DISCREPANCY_KINDS

/** One inconsistency, with whatever identifies it. Ids and amounts are exact strings of digits. */
export interface Discrepancy {
  kind: DiscrepancyKind
  type?: PromotionType
  promotionId?: string
  targetId?: string
  status?: ProcessStatus
  /** Where the message stands in Kafka. */
  topic?: string
  partition?: number
  offset?: string
  /** The charge's idempotency key. */
  key?: string
  transactionKey?: string
  charges?: number
  summaryId?: string
  detail?: string
}

/** Counts every discrepancy by kind and keeps the first ones, so many of each kind that none hides another. */
export class Discrepancies {
  readonly #limit: number
  readonly #kept = new Map<DiscrepancyKind, Discrepancy[]>()
  readonly #counts = new Map<DiscrepancyKind, number>()

  /** @param limit most that are listed. */
  constructor(limit: number) {
    this.#limit = limit
  }

  add(discrepancy: Discrepancy): void {
    const kept = this.#kept.get(discrepancy.kind) ?? []
    if (kept.length < this.#limit) kept.push(discrepancy)
    this.#kept.set(discrepancy.kind, kept)
    this.addUnlisted(discrepancy.kind, 1)
  }

  /** More of a kind, that are counted only. */
  addUnlisted(kind: DiscrepancyKind, count: number): void {
    if (count > 0) this.#counts.set(kind, this.count(kind) + count)
  }

  count(kind: DiscrepancyKind): number {
    return this.#counts.get(kind) ?? 0
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  get counts(): Partial<Record<DiscrepancyKind, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Up to the limit, the kinds taken in turn; those of a kind stand together. */
  get listed(): Discrepancy[] {
    const shares = new Map([...this.#kept.keys()].map(kind => [kind, 0]))
    for (let left = Math.min(this.#limit, this.total); left > 0; ) {
      const open = [...this.#kept].filter(([kind, kept]) => (shares.get(kind) ?? 0) < kept.length)
      if (open.length === 0) break
      for (const [kind] of open.slice(0, left)) shares.set(kind, (shares.get(kind) ?? 0) + 1)
      left -= Math.min(left, open.length)
    }
    return [...this.#kept].flatMap(([kind, kept]) => kept.slice(0, shares.get(kind)))
  }
}
