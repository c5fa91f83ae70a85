import { hash } from 'node:crypto'
import type { AuditRow } from '#database/gifts/audit-rows.ts'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'

/** What was found out about a row, as bits. */
export const MARK = {
  /** PENDING for longer than the sweep age. */
  old: 1,
  /** PENDING and meant for the stream. */
  enqueued: 2,
  /** Kafka holds the message that it came from. */
  messageSeen: 4,
  /** The promotion's stream holds an entry for it. */
  onStream: 8,
  /** A charge of another amount. */
  otherAmount: 16,
  /** A charge with another transaction key. */
  otherKey: 32,
  /** The Money API did not say whether it was charged. */
  unanswered: 64,
} as const

const MAX_CHARGES = 255

/** Columns of one row each; a growth copies them all. What is never written costs no memory. */
function columnsOf(capacity: number) {
  return {
    target: new BigInt64Array(capacity),
    promotion: new Uint32Array(capacity),
    member: new BigInt64Array(capacity),
    amount: new BigInt64Array(capacity),
    /** -1 where the row names no place. */
    offset: new BigInt64Array(capacity),
    partition: new Uint16Array(capacity),
    /** The halves of a hash of its text; both 0 where there is none. */
    moneyKey: new Uint32Array(2 * capacity),
    status: new Uint8Array(capacity),
    charges: new Uint8Array(capacity),
    marks: new Uint8Array(capacity),
  }
}

/**
 * The result rows of one type in columns, numbers exact, the transaction key as a hash of 64 bits: a million of them cost
 * 49 to 57 MB outside the heap. A Map of row objects would cost half a gigabyte, and one from target to number, as the index
 * alone, 53 MB more, on the heap. Rows are numbered from 0 in the order they were added and found
 * again by their target.
 */
export class RowTable {
  #size = 0
  #columns: ReturnType<typeof columnsOf>
  /** Open addressing: row + 1, or 0. */
  #index: Uint32Array
  /** The halves of the targets, so that a look-up makes no bigint. */
  #halves: Uint32Array
  readonly #probe = new BigInt64Array(1)
  readonly #probeHalves = new Uint32Array(this.#probe.buffer)
  readonly #promotionIds: string[] = []
  readonly #promotionNumbers = new Map<string, number>()
  readonly #withCharges: boolean

  /** @param withCharges charges will be noted: keep what they are compared with. */
  constructor(expected: number, withCharges: boolean) {
    this.#withCharges = withCharges
    this.#columns = columnsOf(Math.max(1024, expected))
    this.#halves = new Uint32Array(this.#columns.target.buffer)
    this.#index = indexOf(this.#columns.target.length)
  }

  get size(): number {
    return this.#size
  }

  add(row: AuditRow): void {
    if (this.#size === this.#columns.target.length) this.#grow()
    const at = this.#size
    const { target, amount, member, offset, partition, promotion, moneyKey, status, marks } = this.#columns
    target[at] = BigInt(row.targetId)
    const number = this.#promotionNumber(row.promotionId)
    if (number > 0) promotion[at] = number
    member[at] = BigInt(row.memberId)
    amount[at] = BigInt(row.amount)
    offset[at] = row.kafkaOffset === null ? -1n : BigInt(row.kafkaOffset)
    partition[at] = row.kafkaPartition ?? 0
    if (this.#withCharges && row.moneyKey !== null) {
      const digest = digestOf(row.moneyKey)
      moneyKey[2 * at] = lowHalf(digest)
      moneyKey[2 * at + 1] = highHalf(digest)
    }
    status[at] = PROCESS_STATUSES.indexOf(row.processStatus)
    if (row.processStatus === 'PENDING') marks[at] = (row.isOld ? MARK.old : 0) | (row.enqueued ? MARK.enqueued : 0)
    this.#size += 1
    this.#index[this.#slotOf(this.#halves[2 * at] ?? 0, this.#halves[2 * at + 1] ?? 0)] = at + 1
  }

  /** The row of a target; -1 where there is none. */
  find(targetId: string): number {
    this.#probe[0] = BigInt(targetId)
    const slot = this.#slotOf(this.#probeHalves[0] ?? 0, this.#probeHalves[1] ?? 0)
    return (this.#index[slot] ?? 0) - 1
  }

  /** Numbers of the rows in one of `statuses`. */
  *rowsIn(...statuses: ProcessStatus[]): Generator<number> {
    const wanted = statuses.map(status => PROCESS_STATUSES.indexOf(status))
    for (let row = 0; row < this.#size; row++) if (wanted.includes(this.#columns.status[row] ?? 0)) yield row
  }

  targetId(row: number): string {
    return String(this.#columns.target[row])
  }

  promotionId(row: number): string {
    return this.#promotionIds[this.#columns.promotion[row] ?? 0] ?? ''
  }

  status(row: number): ProcessStatus {
    return PROCESS_STATUSES[this.#columns.status[row] ?? 0] as ProcessStatus
  }

  /** Does the row say that it came from there? undefined where it does not say at all. */
  cameFrom(row: number, partition: number, offset: string): boolean | undefined {
    const own = this.#columns.offset[row]
    return own === -1n ? undefined : own === BigInt(offset) && this.#columns.partition[row] === partition
  }

  /** Does the message speak of the same promotion, member and amount? */
  agrees(row: number, gift: GiftFields): boolean {
    const { member, amount } = this.#columns
    return (
      this.promotionId(row) === gift.promotionId &&
      member[row] === BigInt(gift.memberId) &&
      amount[row] === BigInt(gift.amount)
    )
  }

  charges(row: number): number {
    return this.#columns.charges[row] ?? 0
  }

  /** Writes one charge down. What is not known of it (`undefined`) is not compared. */
  noteCharge(row: number, charge: { transactionKey: string; amount?: string }): void {
    const { charges, moneyKey, amount } = this.#columns
    charges[row] = Math.min(MAX_CHARGES, this.charges(row) + 1)
    if (charge.amount !== undefined && amount[row] !== BigInt(charge.amount)) this.mark(row, MARK.otherAmount)
    const digest = digestOf(charge.transactionKey)
    if (moneyKey[2 * row] !== lowHalf(digest) || moneyKey[2 * row + 1] !== highHalf(digest))
      this.mark(row, MARK.otherKey)
  }

  mark(row: number, mark: number): void {
    const { marks } = this.#columns
    marks[row] = (marks[row] ?? 0) | mark
  }

  has(row: number, mark: number): boolean {
    return ((this.#columns.marks[row] ?? 0) & mark) !== 0
  }

  #promotionNumber(promotionId: string): number {
    const known = this.#promotionNumbers.get(promotionId)
    if (known !== undefined) return known
    this.#promotionNumbers.set(promotionId, this.#promotionIds.length)
    return this.#promotionIds.push(promotionId) - 1
  }

  #slotOf(low: number, high: number): number {
    const mask = this.#index.length - 1
    for (let slot = mix(low, high) & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#index[slot] ?? 0) - 1
      if (row < 0 || (this.#halves[2 * row] === low && this.#halves[2 * row + 1] === high)) return slot
    }
  }

  #grow(): void {
    const grown = columnsOf(Math.ceil(this.#size * 1.5))
    for (const [name, column] of Object.entries(this.#columns))
      (grown[name as keyof typeof grown] as { set(from: unknown): void }).set(column)
    this.#columns = grown
    this.#halves = new Uint32Array(grown.target.buffer)
    this.#index = indexOf(grown.target.length)
    for (let row = 0; row < this.#size; row++)
      this.#index[this.#slotOf(this.#halves[2 * row] ?? 0, this.#halves[2 * row + 1] ?? 0)] = row + 1
  }
}

export interface GiftFields {
  promotionId: string
  memberId: string
  amount: string
}

/** SHA-256 as text, one character a byte: a Buffer for each row costs more than the hash. */
function digestOf(text: string): string {
  return hash('sha256', text, 'binary')
}

/** With the other half 64 bits of the digest: two different texts look alike once in 2^64. */
function lowHalf(digest: string): number {
  return fourBytes(digest, 0)
}

/** Never 0, as the half of no hash is. */
function highHalf(digest: string): number {
  return fourBytes(digest, 4) || 1
}

function fourBytes(bytes: string, at: number): number {
  const low = bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8)
  return (low | (bytes.charCodeAt(at + 2) << 16) | (bytes.charCodeAt(at + 3) << 24)) >>> 0
}

/** At most half full, a power of two. */
function indexOf(capacity: number): Uint32Array {
  return new Uint32Array(2 ** Math.ceil(Math.log2(capacity * 2)))
}

function mix(low: number, high: number): number {
  let mixed = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 13)) >>> 0
}
