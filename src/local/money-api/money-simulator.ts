import { type Charge, fingerprint, parseCharge } from './money-charge.ts'
import { drawFault, FAULT_KINDS, type Fault, type FaultKind, type FaultPlan, isDrawn } from './money-faults.ts'
import type { InsteadKind } from './money-instead.ts'
import { KEY_STATE } from './money-keys.ts'
import { type MoneyLedger, type Outcome, transactionKeyOf } from './money-ledger.ts'

/** Settable at any time. */
export interface MoneySettings extends FaultPlan {
  /** How long a call takes, in ms. */
  latencyMs: number
  /** Faults of GETs, drawn like those of POSTs; 0 … 100. */
  lookupFaultPercent: number
  /** Every request gets 503. */
  down: boolean
  /** Every request gets 401. */
  refuseCredentials: boolean
  /** What every request gets instead of an answer of its own; nothing is charged meanwhile. */
  instead: InsteadKind | null
  /** Gifts whose POSTs get 403; their GETs are answered. */
  forbid: Omit<Refusal, 'status'> | null
  /** Charges that it refuses for good, by key or by share of keys. */
  refuse: Refusal | null
  /** Its GET tells what was charged, which is more than the contract asks for: a canary compares it. */
  tellsAmount: boolean
  /**
   * Calls at once that it answers in `latencyMs`; with more each takes longer, by the square of the excess, and some get 503.
   * 0 = any number.
   */
  knee: number
  /** Off, it charges again for a key that it knows: a bug that tests plant. */
  dedup: boolean
}

export interface Refusal {
  status: 400 | 404 | 422
  keys?: readonly string[]
  /** Drawn by the seed, 0 … 100. */
  percent?: number
}

export const DEFAULT_MONEY_SETTINGS: MoneySettings = {
  latencyMs: 50,
  faultPercent: 0,
  faults: FAULT_KINDS,
  seed: 1,
  lookupFaultPercent: 0,
  down: false,
  refuseCredentials: false,
  instead: null,
  forbid: null,
  refuse: null,
  tellsAmount: false,
  knee: 0,
  dedup: true,
}

/** What is answered, unless a fault spoils it. */
export interface Answer {
  status: number
  body: string
  outcome: Outcome
}

/** What becomes of one request. `answer` is called once, when the delay is over. */
export interface Call {
  attempt: number
  delayMs: number
  fault: Fault | undefined
  answer: () => Answer
  instead?: InsteadKind
}

/** A slow call answers late, and still within 1.5 s. */
const SLOW_MS = { from: 600, to: 1400 }
const RETRY_AFTER_MS = 1000
const BEFORE_IT_IS_APPLIED = new Set<FaultKind>(['error-500', 'error-503', 'reset-before', 'rate-limited'])

const problem = (status: number, outcome: Outcome, message: string): Answer => ({
  status,
  outcome,
  body: JSON.stringify({ error: message }),
})
const OVERLOADED = problem(503, 'overloaded', 'too many calls at once')
const DOWN = problem(503, 'down', 'the service is down')
const FORBIDDEN = problem(403, 'forbidden', 'this member may not be paid')
const INSTEAD = problem(503, 'instead', 'not the Money API')
const UNAUTHORIZED = problem(401, 'unauthorized', 'the credentials are refused')
const NO_KEY = problem(400, 'bad-request', 'the header Idempotency-Key is missing')
const OTHER_BODY = problem(422, 'other-body', 'the key was used with another body')
const IN_PROGRESS = problem(409, 'in-progress', 'the key is in progress')
const NO_CHARGE = problem(404, 'lookup-missing', 'no charge under this key')

/** The Money API as its users know it, without its HTTP: what each request means, and when. */
export class MoneySimulator {
  settings: MoneySettings
  readonly ledger: MoneyLedger
  readonly #notBeforeMs = new Map<string, number>()
  readonly #lookups = new Map<string, number>()
  /** Calls that have come and have not been answered. */
  #atOnce = 0

  constructor(settings: MoneySettings, ledger: MoneyLedger) {
    this.settings = settings
    this.ledger = ledger
  }

  post(key: string | undefined, body: string, credentialsOk: boolean, nowMs: number): Call {
    const shut = this.#shut(credentialsOk)
    if (shut !== undefined) return shut
    if (key === undefined || key === '') return atOnce(NO_KEY)
    const { keys } = this.ledger
    const row = keys.row(key)
    const attempt = (keys.attempts[row] ?? 0) + 1
    keys.attempts[row] = attempt
    this.#checkPatience(key, nowMs)
    if (isMeant(this.settings.forbid, this.settings.seed, key))
      return this.#call(attempt, undefined, () => () => FORBIDDEN)
    const fault = drawFault(this.settings, key, attempt)
    if (fault?.kind === 'rate-limited') this.#notBeforeMs.set(key, nowMs + this.settings.latencyMs + RETRY_AFTER_MS)
    if (fault !== undefined && BEFORE_IT_IS_APPLIED.has(fault.kind))
      return this.#call(attempt, fault, () => () => NO_CHARGE)
    return this.#call(attempt, fault, () => this.#open(key, row, body))
  }

  lookup(key: string, credentialsOk: boolean): Call {
    const shut = this.#shut(credentialsOk)
    if (shut !== undefined) return shut
    return this.#call(0, this.#lookupFault(key), () => () => {
      const row = this.ledger.keys.find(key)
      if (row === undefined || this.ledger.keys.charges[row] === 0) return NO_CHARGE
      const body = this.settings.tellsAmount ? bodyWithAmount(key, this.ledger.keys.amount[row]) : chargedBody(key, 1)
      return { status: 200, body, outcome: 'lookup-found' }
    })
  }

  #shut(credentialsOk: boolean): Call | undefined {
    const { instead, down, refuseCredentials } = this.settings
    if (instead !== null) return { ...atOnce(INSTEAD), instead }
    if (down) return atOnce(DOWN)
    return credentialsOk && !refuseCredentials ? undefined : atOnce(UNAUTHORIZED)
  }

  /** `answer` makes what is answered when its time is over; not made for a call that is too many. */
  #call(attempt: number, fault: Fault | undefined, open: () => () => Answer): Call {
    const { latencyMs, knee } = this.settings
    const delayMs = fault?.kind === 'slow' ? SLOW_MS.from + fault.shade * (SLOW_MS.to - SLOW_MS.from) : latencyMs
    if (knee === 0) return { attempt, delayMs, fault, answer: open() }
    this.#atOnce += 1
    const excess = Math.max(1, this.#atOnce / knee)
    const isTooMany = Math.random() < Math.min(0.5, (excess - 1) / 4)
    const answer = isTooMany ? () => OVERLOADED : open()
    const leave = () => {
      this.#atOnce -= 1
      return answer()
    }
    return { attempt, delayMs: delayMs * excess ** 2, fault: isTooMany ? undefined : fault, answer: leave }
  }

  /** Decides what the request is when it comes; what it does, it does when its time is over. */
  #open(key: string, row: number, body: string): () => Answer {
    const charge = parseCharge(body)
    if (typeof charge === 'string') return () => problem(400, 'bad-request', charge)
    if (!this.settings.dedup) return () => this.#settle(key, row, charge)
    const { keys } = this.ledger
    const state = keys.state[row]
    const print = fingerprint(charge)
    if (state !== KEY_STATE.unknown && keys.fingerprint[row] !== print) return () => OTHER_BODY
    if (state === KEY_STATE.inProgress) return () => IN_PROGRESS
    if (state === KEY_STATE.charged) return () => ({ status: 200, body: chargedBody(key, 1), outcome: 'replayed' })
    if (state === KEY_STATE.refused) return () => refused(keys.status[row] ?? 422)
    keys.state[row] = KEY_STATE.inProgress
    keys.fingerprint[row] = print
    return () => this.#settle(key, row, charge)
  }

  #settle(key: string, row: number, charge: Charge): Answer {
    const status = this.#refusalStatus(key)
    if (status === undefined) {
      const transactionKey = this.ledger.charge(key, charge, Date.now())
      return { status: 200, body: `{"transactionKey":${JSON.stringify(transactionKey)}}`, outcome: 'charged' }
    }
    this.ledger.keys.state[row] = KEY_STATE.refused
    this.ledger.keys.status[row] = status
    return refused(status)
  }

  #refusalStatus(key: string): number | undefined {
    const { refuse, seed } = this.settings
    return isMeant(refuse, seed, key) ? refuse?.status : undefined
  }

  #checkPatience(key: string, nowMs: number): void {
    if (this.#notBeforeMs.size === 0) return
    const notBeforeMs = this.#notBeforeMs.get(key)
    if (notBeforeMs === undefined) return
    if (nowMs < notBeforeMs) this.ledger.earlyRequests++
    this.#notBeforeMs.delete(key)
  }

  #lookupFault(key: string): Fault | undefined {
    if (this.settings.lookupFaultPercent <= 0) return undefined
    const attempt = (this.#lookups.get(key) ?? 0) + 1
    this.#lookups.set(key, attempt)
    return drawFault({ ...this.settings, faultPercent: this.settings.lookupFaultPercent }, `GET ${key}`, attempt)
  }
}

function isMeant(meant: Omit<Refusal, 'status'> | null, seed: number, key: string): boolean {
  return meant !== null && (meant.keys?.includes(key) === true || isDrawn(seed, key, meant.percent ?? 0))
}

function atOnce(answer: Answer): Call {
  return { attempt: 0, delayMs: 0, fault: undefined, answer: () => answer }
}

function chargedBody(key: string, ordinal: number): string {
  return `{"transactionKey":${JSON.stringify(transactionKeyOf(key, ordinal))}}`
}

function bodyWithAmount(key: string, amount = 0n): string {
  return `{"transactionKey":${JSON.stringify(transactionKeyOf(key, 1))},"amount":"${amount}"}`
}

function refused(status: number): Answer {
  return problem(status, 'refused', 'the charge is refused')
}
