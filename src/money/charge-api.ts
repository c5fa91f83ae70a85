import { isTracing, traceFields, withSpan } from '#runtime/tracing.ts'
import {
  type ChargeRequest,
  classifyLookup,
  classifyPost,
  type HttpAnswer,
  idempotencyKey,
  type LookupMeaning,
  type PostMeaning,
  type Unsettled,
} from './charge.ts'
import type { Blocked, ExchangeOptions, MoneyGate } from './gate.ts'
import type { HttpCall } from './http.ts'

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

export interface ChargeOptions {
  signal?: AbortSignal
  /** Ask by GET before the POST: the row is so old that the Money API may have forgotten its key. */
  lookFirst?: boolean
  /** The Money API cannot have forgotten its key: the GET that goes first is a precaution. */
  isYoung?: boolean
  /** No POST of this gift was sent before. */
  isFirst?: boolean
  /** Its last one: what stays unsettled is asked about by GET, and told from an outage. */
  isLast?: boolean
  /** Asked again when the call's turn has come: it may have waited for long. */
  mayCall?(): boolean | Promise<boolean>
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

export interface ChargeApiOptions {
  gate: Pick<MoneyGate, 'exchange' | 'isTroubled' | 'isClearSince' | 'reportOutage'>
  now?: () => number
  /** Called after each exchange, for metrics. */
  onExchange?(
    method: 'GET' | 'POST',
    meaning: PostMeaning['kind'] | LookupMeaning['kind'],
    seconds: number,
    /** What was answered instead of something usable. */
    code?: string,
    /** Of a POST. */
    promotionId?: string,
  ): void
}

const BLOCKED_CODE = 'BLOCKED'
const CHARGES_PATH = '/v1/campaign-charges'

/** The path of the GET by key. Letters, a colon and digits: a path segment as it stands (RFC 3986 §3.3). */
export function lookupPath(key: string): string {
  return `${CHARGES_PATH}/${key}`
}

export function createMoneyCampaignChargeApi(options: ChargeApiOptions): MoneyCampaignChargeApi {
  const { gate, onExchange } = options
  const now = options.now ?? Date.now

  const exchange = (gift: string, call: HttpCall, how: ExchangeOptions) => {
    if (!isTracing()) return gate.exchange(gift, call, how)
    const attributes = { 'http.request.method': call.method, 'url.path': call.path, 'promostream.key': gift }
    return withSpan(`${call.method} ${CHARGES_PATH}`, { kind: 'client', attributes }, async annotate => {
      const answer = await gate.exchange(gift, { ...call, headers: { ...call.headers, ...traceFields() } }, how)
      annotate(
        answer.kind === 'reply'
          ? { 'http.response.status_code': answer.status }
          : { 'error.type': answer.kind === 'blocked' ? answer.reason : answer.error.message },
      )
      return answer
    })
  }

  const send = async <Meaning extends PostMeaning | LookupMeaning>(
    gift: string,
    call: HttpCall,
    classify: (answer: HttpAnswer, nowMs: number) => Meaning,
    how: ExchangeOptions,
    promotionId?: string,
  ): Promise<Meaning | Blocked> => {
    const answer = await exchange(gift, call, how)
    if (answer.kind === 'blocked') return answer
    if (call.method === 'POST' && answer.kind === 'no-reply' && answer.isUnsent && !call.signal?.aborted)
      return { kind: 'blocked', reason: `the call could not be sent: ${answer.error.message}` }
    const meaning = classify(answer, now())
    const code = 'code' in meaning ? meaning.code : undefined
    onExchange?.(call.method, meaning.kind, answer.seconds, code, promotionId)
    return meaning
  }
  const get = (key: string, { signal, mayCall }: ChargeOptions, how: ExchangeOptions = {}) =>
    send(key, { method: 'GET', path: lookupPath(key), signal }, classifyLookup, { ...how, mayCall })
  const post = (key: string, request: ChargeRequest, { signal, mayCall, isFirst = false }: ChargeOptions) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const { type, promotionId, targetId, memberId, amount } = request
    const body = JSON.stringify({ type, promotionId, targetId, memberId, amount })
    const call: HttpCall = { method: 'POST', path: CHARGES_PATH, headers, body, signal }
    return send(key, call, classifyPost, { mayCall, isFirst }, promotionId)
  }

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
