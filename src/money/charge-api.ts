import { type ChargeRequest, idempotencyKey, type LookupMeaning, type PostMeaning, type Unsettled } from './charge.ts'
import { type CallOptions, type ChargeCallsOptions, createChargeCalls } from './charge-calls.ts'
import type { Blocked, MoneyGate } from './gate.ts'

/**
 * How one attempt to pay ended; `posts` = POSTs sent in it.
 * - `charged`: the Money API holds the charge.
 * - `failed`: it refused, and its GET confirms that it holds none.
 * - `unsettled`: nobody knows, or it asked for another try; the next one uses the same key.
 * - `unauthorized`: our credentials are refused; nothing about the gift has changed.
 * - `blocked`: it is down, refuses our credentials, or `mayCall` said no: no POST was sent.
 * - `aborted`: a stopping process gave the call up; the gift stays as it is.
 */
export type ChargeOutcome = (
  | { kind: 'charged'; transactionKey: string }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'unauthorized'; code: string; message: string }
  | { kind: 'aborted' }
  | Blocked
  | (Unsettled & {
      /** Other gifts get no usable answer either, as far as is known: this one must not be given up. */
      isOutage?: boolean
    })
) & { posts: number }

export interface ChargeOptions extends CallOptions {
  /** Ask by GET before the POST: the row is so old that the Money API may have forgotten its key. */
  lookFirst?: boolean
  /** The Money API cannot have forgotten its key: the GET that goes first is a precaution. */
  isYoung?: boolean
  /** No POST of this gift was sent before. */
  isFirst?: boolean
  /** Its last one: what stays unsettled is asked about by GET, and told from an outage. */
  isLast?: boolean
}

/**
 * The planning documents' `MoneyCampaignChargeApi`: at least one POST reaches the Money API per `charged`; its key
 * makes it once.
 */
export interface MoneyCampaignChargeApi {
  /** Never rejects for what the Money API does or fails to do; only as `mayCall` does. */
  charge(request: ChargeRequest, options?: ChargeOptions): Promise<ChargeOutcome>
  /** GET by key: is there a charge? */
  lookup(request: Pick<ChargeRequest, 'type' | 'targetId'>, signal?: AbortSignal): Promise<LookupMeaning>
}

export interface ChargeApiOptions extends ChargeCallsOptions {
  gate: Pick<MoneyGate, 'exchange' | 'isTroubled' | 'isClearSince' | 'reportOutage'>
}

const BLOCKED_CODE = 'BLOCKED'

export function createMoneyCampaignChargeApi(options: ChargeApiOptions): MoneyCampaignChargeApi {
  const { gate } = options
  const { get, post } = createChargeCalls(options)

  /** A refusal may answer a repeated key whose first call was applied and its reply lost: only the GET tells. */
  const ask = async (key: string, posted: Unpaid, signal: AbortSignal | undefined) => {
    const surety = posted.kind === 'refused' && posted.code !== 'HTTP_404' ? 'given' : 'since'
    return asUnsettled(await get(key, signalOf(signal), { surety, isUrgent: true }))
  }

  const charge: MoneyCampaignChargeApi['charge'] = (request, options = {}) =>
    options.lookFirst ? lookFirst(request, options) : pay(request, options)

  const lookFirst: typeof charge = async (request, options = {}) => {
    const surety = options.isYoung ? 'young' : 'heard'
    const found = await get(idempotencyKey(request), options, { surety })
    return found.kind === 'no-charge' ? pay(request, options) : abortedOr(found, options.signal, 0)
  }

  const pay = async (request: ChargeRequest, options: ChargeOptions): Promise<ChargeOutcome> => {
    const { signal, isLast } = options
    const key = idempotencyKey(request)
    const sentAtMs = performance.now()
    const posted = await post(key, request, options)
    if (posted.kind === 'blocked') return { ...posted, posts: 0 }
    if (posted.kind === 'charged') return { ...posted, posts: 1 }
    if (posted.kind === 'unsettled' && (!isLast || signal?.aborted)) return abortedOr(posted, signal, 1)
    const found = await ask(key, posted, signal)
    const outcome = abortedOr(conclude(posted, found), signal, 1)
    if (outcome.kind !== 'unsettled' || !isLast) return outcome
    return { ...outcome, isOutage: await isOutage(gate, { code: posted.code, sentAtMs }, found) }
  }

  return {
    lookup: async (request, signal) => asUnsettled(await get(idempotencyKey(request), signalOf(signal))),
    charge,
  }
}

type Unpaid = Exclude<PostMeaning, { kind: 'charged' }>
type Concluded = Exclude<LookupMeaning, { kind: 'no-charge' }> | (ChargeOutcome & { kind: 'failed' })

/** What the GET adds to a POST that was not paid. */
function conclude(posted: Unpaid, found: LookupMeaning): Concluded {
  const { code, message } = posted
  if (found.kind === 'charged') return found
  if (posted.kind === 'refused') return found.kind === 'no-charge' ? { kind: 'failed', code, message, posts: 1 } : found
  // Blocked meanwhile: it is not known whether it is this gift.
  const isBlocked = found.kind === 'unsettled' && found.code === BLOCKED_CODE
  if (posted.kind === 'unauthorized' && (found.kind === 'unauthorized' || isBlocked)) return posted
  return posted.kind === 'unsettled' ? posted : { kind: 'unsettled', code, message }
}

/** Does the Money API answer nobody? Then no gift is given up; too few may be under way for the breaker to see it. */
async function isOutage(
  gate: ChargeApiOptions['gate'],
  posted: { code: string; sentAtMs: number },
  found: LookupMeaning,
): Promise<boolean> {
  if (gate.isTroubled) return true
  if (found.kind === 'no-charge' || gate.isClearSince(posted.sentAtMs)) return false
  // What responds so to a POST, and otherwise to a GET, is the Money API.
  if (found.kind === 'unsettled' && found.code === 'HTTP_404' && posted.code !== 'HTTP_404') return false
  await gate.reportOutage(posted.code)
  return true
}

/** A GET that asks about what has been sent is made whatever `mayCall` would say. */
function signalOf(signal: AbortSignal | undefined): ChargeOptions {
  return signal === undefined ? {} : { signal }
}

/** A GET that was blocked after a POST: that POST's outcome is not known. */
function asUnsettled(meaning: LookupMeaning | Blocked): LookupMeaning {
  return meaning.kind === 'blocked' ? { kind: 'unsettled', code: BLOCKED_CODE, message: meaning.reason } : meaning
}

function abortedOr(meaning: Concluded | Blocked, signal: AbortSignal | undefined, posts: number): ChargeOutcome {
  return signal?.aborted && meaning.kind === 'unsettled' ? { kind: 'aborted', posts } : { ...meaning, posts }
}
