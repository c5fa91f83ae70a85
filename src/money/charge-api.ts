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
import type { Held, MoneyGate } from './gate.ts'
import type { HttpCall } from './http.ts'

/**
 * How one attempt to pay ended; `posts` = POSTs sent in it.
 * - `charged`: the Money API holds the charge.
 * - `failed`: it refused, and its GET confirms that it holds none.
 * - `unsettled`: nobody knows, or it asked for another try; the next one uses the same key.
 * - `unauthorized`: our credentials are refused; nothing about the gift has changed.
 * - `held`: it is down, refuses our credentials, or `mayCall` said no: no POST was sent.
 * - `aborted`: a stopping process gave the call up; the gift stays as it is.
 */
export type ChargeOutcome = (
  | { kind: 'charged'; transactionKey: string }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'unauthorized'; code: string; message: string }
  | { kind: 'aborted' }
  | Held
  | Unsettled
) & { posts: number }

export interface ChargeOptions {
  signal?: AbortSignal
  /** Ask by GET before the POST: the row is so old that the Money API may have forgotten its key. */
  lookFirst?: boolean
  /** Asked again when the call's turn has come: it may have waited for long. */
  mayCall?(): Promise<boolean>
}

/** The spec's `MoneyCampaignChargeApi`: at least one POST reaches the Money API per `charged`; its key makes it once. */
export interface MoneyCampaignChargeApi {
  /** Never rejects for what the Money API does or fails to do; only as `mayCall` does. */
  charge(request: ChargeRequest, options?: ChargeOptions): Promise<ChargeOutcome>
  /** GET by key: is there a charge? */
  lookup(request: Pick<ChargeRequest, 'type' | 'targetId'>, signal?: AbortSignal): Promise<LookupMeaning>
}

export interface ChargeApiOptions {
  gate: Pick<MoneyGate, 'exchange'>
  now?: () => number
  /** Called after each exchange, for metrics. */
  onExchange?(method: 'GET' | 'POST', meaning: PostMeaning['kind'] | LookupMeaning['kind'], seconds: number): void
}

const CHARGES_PATH = '/v1/campaign-charges'

/** The path of the GET by key. Letters, a colon and digits: a path segment as it stands (RFC 3986 §3.3). */
export function lookupPath(key: string): string {
  return `${CHARGES_PATH}/${key}`
}

export function createMoneyCampaignChargeApi(options: ChargeApiOptions): MoneyCampaignChargeApi {
  const { gate, onExchange } = options
  const now = options.now ?? Date.now

  const send = async <Meaning extends PostMeaning | LookupMeaning>(
    gift: string,
    call: HttpCall,
    classify: (answer: HttpAnswer, nowMs: number) => Meaning,
    mayCall?: ChargeOptions['mayCall'],
  ): Promise<Meaning | Held> => {
    const answer = await gate.exchange(gift, call, mayCall)
    if (answer.kind === 'held') return answer
    const meaning = classify(answer, now())
    onExchange?.(call.method, meaning.kind, answer.seconds)
    return meaning
  }
  const get = (key: string, { signal, mayCall }: ChargeOptions) =>
    send(key, { method: 'GET', path: lookupPath(key), signal }, classifyLookup, mayCall)
  const post = (key: string, request: ChargeRequest, { signal, mayCall }: ChargeOptions) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const { type, promotionId, targetId, memberId, amount } = request
    const body = JSON.stringify({ type, promotionId, targetId, memberId, amount })
    return send(key, { method: 'POST', path: CHARGES_PATH, headers, body, signal }, classifyPost, mayCall)
  }

  return {
    lookup: async (request, signal) => asUnsettled(await get(idempotencyKey(request), signalOf(signal))),
    charge: async (request, options = {}) => {
      const { signal, lookFirst } = options
      const key = idempotencyKey(request)
      if (lookFirst) {
        const found = await get(key, options)
        if (found.kind !== 'no-charge') return abortedOr(found, signal, 0)
      }
      const posted = await post(key, request, options)
      if (posted.kind === 'held') return { ...posted, posts: 0 }
      if (posted.kind !== 'refused') return abortedOr(posted, signal, 1)
      // A refusal may answer a repeated key whose first call was applied and its reply lost: only the GET tells.
      const found = asUnsettled(await get(key, signalOf(signal)))
      if (found.kind === 'no-charge') return { kind: 'failed', code: posted.code, message: posted.message, posts: 1 }
      return abortedOr(found, signal, 1)
    },
  }
}

/** A GET that asks about what has been sent is made whatever `mayCall` would say. */
function signalOf(signal: AbortSignal | undefined): ChargeOptions {
  return signal === undefined ? {} : { signal }
}

/** A GET that was held after a POST: that POST's outcome is not known. */
function asUnsettled(meaning: LookupMeaning | Held): LookupMeaning {
  return meaning.kind === 'held' ? { kind: 'unsettled', code: 'HELD', message: meaning.reason } : meaning
}

function abortedOr(
  meaning: Exclude<PostMeaning, { kind: 'refused' }> | Exclude<LookupMeaning, { kind: 'no-charge' }> | Held,
  signal: AbortSignal | undefined,
  posts: number,
): ChargeOutcome {
  return signal?.aborted && meaning.kind === 'unsettled' ? { kind: 'aborted', posts } : { ...meaning, posts }
}
