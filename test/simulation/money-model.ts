import type { HttpAnswer } from '#money/charge.ts'
import type { HttpCall } from '#money/http.ts'
import { CodedError } from '#runtime/errors.ts'
import { Random } from './random.ts'
import type { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

interface Charge {
  key: string
  targetId: string
  amount: string
  transactionKey: string
  body: string
}

const TIMEOUT_MS = 1000
/** Later attempts of one gift are answered: it shall end. */
const MOST_SPOILT = 4
/** A pause reaches every process within this, in ms. */
const FOLLOWS_WITHIN_MS = 5000
const FAULTS = [
  '500',
  'reset-before',
  'reset-after',
  'timeout-after',
  '429',
  'cut',
  '503',
  'conflict',
  'refuses-paid',
] as const
type MoneyFault = (typeof FAULTS)[number]

const reply = (status: number, body = '{}', retryAfter?: string): HttpAnswer => ({
  kind: 'reply',
  status,
  body,
  retryAfter,
})
const silence = (code: string): HttpAnswer => ({ kind: 'no-reply', error: new CodedError(code, code.toLowerCase()) })

/** Answers of attempts that are spoilt before anything is charged. */
const WITHOUT_CHARGE: Partial<Record<MoneyFault, HttpAnswer>> = {
  500: reply(500),
  503: reply(503),
  429: reply(429, '{}', '1'),
  conflict: reply(409),
  'reset-before': silence('ECONNRESET'),
}

/** The Money API behind the HTTP pool: a ledger that honours the idempotency key, and answers that get lost. */
export class MoneyModel {
  readonly charges: Charge[] = []
  /** POSTs and GETs that arrived. */
  posts = 0
  gets = 0
  /** Answers that were spoilt: each may cost a call more. */
  spoilt = 0
  isDown = false
  refusesCredentials = false
  readonly #world: World
  readonly #byKey = new Map<string, Charge>()
  readonly #attempts = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  exchange(process: SimProcess, call: HttpCall): Promise<HttpAnswer> {
    const world = this.#world
    const { scheduler } = world
    if (process.isDead) return new Promise(() => undefined)
    world.step(process)
    return new Promise(resolve => {
      let isOver = false
      const end = (answer: HttpAnswer) => {
        if (isOver) return
        isOver = true
        timer.run = undefined
        resolve(answer)
        world.step(process)
      }
      const timer = scheduler.after(process, TIMEOUT_MS, () => end(silence('TIMEOUT')))
      call.signal?.addEventListener('abort', () => end(silence('ABORTED')), { once: true })
      scheduler.after(undefined, world.delayMs() * 3, () => {
        const answer = this.#arrive(process, call)
        world.step(process)
        if (answer !== undefined) scheduler.after(process, world.delayMs() * 3, () => end(answer))
      })
    })
  }

  /** Undefined: it never answers. */
  #arrive(process: SimProcess, call: HttpCall): HttpAnswer | undefined {
    if (call.method === 'GET') return this.#lookUp(call)
    this.posts += 1
    this.#checkStatus(process, call.body ?? '')
    const key = call.headers?.['idempotency-key'] ?? ''
    const attempt = (this.#attempts.get(key) ?? 0) + 1
    this.#attempts.set(key, attempt)
    const fault = this.#faultOf(key, attempt)
    if (fault !== undefined) this.spoilt += 1
    this.#world.tell('money', () => `POST of ${key} by ${process.name}${fault === undefined ? '' : ` meets ${fault}`}`)
    if (this.refusesCredentials || this.isDown) return this.#spoil(reply(this.isDown ? 503 : 401))
    const early = fault && WITHOUT_CHARGE[fault]
    if (early !== undefined) return early
    const answer = this.#apply(key, call.body ?? '', fault === 'refuses-paid')
    if (fault === 'reset-after') return silence('ECONNRESET')
    if (fault === 'timeout-after') return undefined
    return fault === 'cut' ? reply(200, '{"transac') : answer
  }

  /** Nothing is paid of a promotion that was halted a while ago, but for what a frozen process had decided before. */
  #checkStatus(process: SimProcess, body: string): void {
    const { promotionId, targetId } = JSON.parse(body) as { promotionId: string; targetId: string }
    const { rows, scheduler } = this.#world
    const row = rows.rows.get(targetId)
    const finalMs = row?.processStatus === 'SUCCESS' || row?.processStatus === 'FAILED' ? row.updatedAtMs : Infinity
    if (scheduler.nowMs - finalMs > FOLLOWS_WITHIN_MS && process.frozenUntilMs < finalMs) {
      rows.wrong.push(`final: gift ${targetId} is sent again although it is ${row?.processStatus}`)
    }
    const haltedSinceMs = rows.haltedSinceMs.get(promotionId)
    if (haltedSinceMs === undefined || scheduler.nowMs - haltedSinceMs < FOLLOWS_WITHIN_MS) return
    if (process.frozenUntilMs > haltedSinceMs) return
    rows.wrong.push(`halted: a gift of promotion ${promotionId} is sent although it does not run`)
  }

  #spoil(answer: HttpAnswer): HttpAnswer {
    this.spoilt += 1
    return answer
  }

  /** `refusesPaid`: a key that is paid already is refused, instead of answered as before. */
  #apply(key: string, body: string, refusesPaid: boolean): HttpAnswer {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known.body === body && !refusesPaid ? charged(known) : reply(422)
    const { targetId, amount } = JSON.parse(body) as { targetId: string; amount: string }
    if (this.#world.plan.refusedTargets.has(targetId)) return reply(422, '{"error":"no such member"}')
    const charge = { key, targetId, amount, transactionKey: `tx-${this.charges.length + 1}`, body }
    this.charges.push(charge)
    this.#byKey.set(key, charge)
    this.#world.tell('money', () => `${key} is charged`)
    return charged(charge)
  }

  #lookUp({ path }: HttpCall): HttpAnswer {
    this.gets += 1
    if (this.refusesCredentials || this.isDown) return this.#spoil(reply(this.isDown ? 503 : 401))
    const known = this.#byKey.get(path.split('/').at(-1) ?? '')
    return known === undefined ? reply(404) : charged(known)
  }

  /** Drawn for this attempt of this gift alone: the same whatever else happens. */
  #faultOf(key: string, attempt: number): MoneyFault | undefined {
    const { seed, moneyFaultRate } = this.#world.plan
    if (moneyFaultRate === 0) return undefined
    let hash = seed
    for (const character of `${key}#${attempt}`) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0
    const random = new Random(hash, 7)
    return attempt <= MOST_SPOILT && random.chance(moneyFaultRate) ? random.pick(FAULTS) : undefined
  }
}

const charged = ({ transactionKey }: Charge) => reply(200, JSON.stringify({ transactionKey }))
