import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { LineStore } from '#local/servers/line-store.ts'
import { type Charge, contractKey, fingerprint } from './money-charge.ts'
import { KEY_STATE, KeyTable } from './money-keys.ts'

/** How a request ended, as the caller saw it. */
export type Outcome =
  | 'charged'
  | 'replayed'
  | 'refused'
  | 'bad-request'
  | 'other-body'
  | 'in-progress'
  | 'unauthorized'
  | 'forbidden'
  | 'instead'
  | 'down'
  | 'overloaded'
  | `fault:${string}`
  | 'lookup-found'
  | 'lookup-missing'

export interface RequestRecord {
  method: 'POST' | 'GET'
  key: string
  /** n-th POST with that key, from 1; 0 for a GET and for a request that was not let in. */
  attempt: number
  /** When it was answered, or when its silence was decided. */
  atMs: number
  outcome: Outcome
}

export interface LedgerSummary {
  /** POSTs and GETs. */
  requests: number
  charges: number
  /** Keys that hold a charge. */
  distinctKeys: number
  /** Gifts that hold a charge. */
  distinctTargets: number
  /** charges − distinctTargets: payments nobody owed. */
  duplicateCharges: number
  amountSum: string
  /** POSTs that came before the `Retry-After` they had been told. */
  earlyRequests: number
  byOutcome: Record<string, number>
}

const RECENT_REQUESTS = 1000

/**
 * The judge's book: every applied charge for ever, every request as a count, and the last ones (or all, on demand)
 * line by line. With a file each charge is written before anybody hears of it, so that the book survives a kill.
 */
export class MoneyLedger {
  readonly keys = new KeyTable()
  readonly #charges = new LineStore()
  readonly #file: number | undefined
  /** Charges of targets under keys that the contract does not know: only then is a target not a key. */
  readonly #targetsOfOtherKeys = new Map<string, number>()
  readonly #byOutcome = new Map<Outcome, number>()
  readonly #recent: RequestRecord[] = []
  #allRequests: LineStore | undefined
  #requests = 0
  #chargeCount = 0
  #distinctKeys = 0
  #distinctTargets = 0
  #amountSum = 0n
  earlyRequests = 0

  constructor(path?: string) {
    if (path === undefined) return
    if (existsSync(path)) this.#restore(readFileSync(path, 'utf8'))
    this.#file = openSync(path, 'a')
  }

  /** Writes a charge down; returns its transaction key, unique and the same in every run. */
  charge(key: string, charge: Charge, atMs: number): string {
    const ordinal = this.#count(key, charge)
    const transactionKey = transactionKeyOf(key, ordinal)
    const { type, promotionId, targetId, memberId, amount } = charge
    const line = JSON.stringify({ key, type, promotionId, targetId, memberId, amount, transactionKey, atMs })
    if (this.#file !== undefined) writeSync(this.#file, `${line}\n`)
    this.#charges.append(line)
    return transactionKey
  }

  record(request: RequestRecord): void {
    this.#requests++
    this.#byOutcome.set(request.outcome, (this.#byOutcome.get(request.outcome) ?? 0) + 1)
    if (this.#allRequests !== undefined) this.#allRequests.append(JSON.stringify(request))
    else this.#recent[(this.#requests - 1) % RECENT_REQUESTS] = request
  }

  /** From now on every request is kept, at about 100 bytes each, or only the last ones. */
  recordAll(on: boolean): void {
    if (on) this.#allRequests ??= new LineStore()
    else this.#allRequests = undefined
  }

  get recordsAll(): boolean {
    return this.#allRequests !== undefined
  }

  summary(): LedgerSummary {
    return {
      requests: this.#requests,
      charges: this.#chargeCount,
      distinctKeys: this.#distinctKeys,
      distinctTargets: this.#distinctTargets,
      duplicateCharges: this.#chargeCount - this.#distinctTargets,
      amountSum: String(this.#amountSum),
      earlyRequests: this.earlyRequests,
      byOutcome: Object.fromEntries([...this.#byOutcome].sort(([one], [other]) => (one < other ? -1 : 1))),
    }
  }

  /** NDJSON of all charges in the order they were applied. */
  charges(promotionId?: string): Iterable<Buffer> {
    return this.#charges.read(promotionId === undefined ? undefined : `,"promotionId":${JSON.stringify(promotionId)},`)
  }

  /** NDJSON of the requests that were kept, in the order they were answered. */
  requests(): Iterable<Buffer> {
    if (this.#allRequests !== undefined) return this.#allRequests.read()
    const next = this.#requests % RECENT_REQUESTS
    const inOrder = [...this.#recent.slice(next), ...this.#recent.slice(0, next)]
    return [Buffer.from(inOrder.map(request => `${JSON.stringify(request)}\n`).join(''))]
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
  }

  #count(key: string, charge: Charge): number {
    const row = this.keys.row(key)
    const ordinal = (this.keys.charges[row] ?? 0) + 1
    if (this.#isFirstOfTarget(key, charge, ordinal)) this.#distinctTargets++
    if (ordinal === 1) this.#distinctKeys++
    this.keys.charges[row] = ordinal
    this.keys.state[row] = KEY_STATE.charged
    if (ordinal === 1) {
      this.keys.fingerprint[row] = fingerprint(charge)
      this.keys.amount[row] = BigInt(charge.amount)
    }
    this.#chargeCount++
    this.#amountSum += BigInt(charge.amount)
    return ordinal
  }

  #isFirstOfTarget(key: string, charge: Charge, ordinal: number): boolean {
    const target = contractKey(charge)
    if (key === target) return ordinal === 1 && !this.#targetsOfOtherKeys.has(target)
    const count = (this.#targetsOfOtherKeys.get(target) ?? 0) + 1
    this.#targetsOfOtherKeys.set(target, count)
    const row = this.keys.find(target)
    return count === 1 && (row === undefined || this.keys.charges[row] === 0)
  }

  #restore(text: string): void {
    for (const line of text.split('\n')) {
      // The last line may have been cut by a kill; its charge was never answered nor counted.
      if (!line.endsWith('}')) continue
      const { key, ...charge } = JSON.parse(line) as Charge & { key: string }
      this.#count(key, charge)
      this.#charges.append(line)
    }
  }
}

export function transactionKeyOf(key: string, ordinal: number): string {
  return `tx-${key}-${ordinal}`
}
