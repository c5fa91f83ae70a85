import { isTracing, traceFields, withSpan } from '#runtime/tracing.ts'
import {
  type ChargeRequest,
  classifyLookup,
  classifyPost,
  type HttpAnswer,
  type LookupMeaning,
  type PostMeaning,
} from './charge.ts'
import type { Blocked, ExchangeOptions, MoneyGate } from './gate.ts'
import type { HttpCall } from './http.ts'

export interface CallOptions {
  signal?: AbortSignal
  /** Asked again when the call's turn has come: it may have waited for long. */
  mayCall?(): boolean | Promise<boolean>
}

export interface ChargeCallsOptions {
  gate: Pick<MoneyGate, 'exchange'>
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

const CHARGES_PATH = '/v1/campaign-charges'

/** The path of the GET by key. Letters, a colon and digits: a path segment as it stands (RFC 3986 §3.3). */
export function lookupPath(key: string): string {
  return `${CHARGES_PATH}/${key}`
}

/** The two calls of the Money API, each through the gate, and what its answer means. */
export interface ChargeCalls {
  get(key: string, options: CallOptions, how?: ExchangeOptions): Promise<LookupMeaning | Blocked>
  post(
    key: string,
    request: ChargeRequest,
    options: CallOptions & { isFirst?: boolean },
  ): Promise<PostMeaning | Blocked>
}

export function createChargeCalls({ gate, onExchange, now = Date.now }: ChargeCallsOptions): ChargeCalls {
  const send = async <Meaning extends PostMeaning | LookupMeaning>(
    gift: string,
    call: HttpCall,
    classify: (answer: HttpAnswer, nowMs: number) => Meaning,
    how: ExchangeOptions,
    promotionId?: string,
  ): Promise<Meaning | Blocked> => {
    const answer = await exchange(gate, gift, call, how)
    if (answer.kind === 'blocked') return answer
    if (call.method === 'POST' && answer.kind === 'no-reply' && answer.isUnsent && !call.signal?.aborted)
      return { kind: 'blocked', reason: `the call could not be sent: ${answer.error.message}` }
    const meaning = classify(answer, now())
    const code = 'code' in meaning ? meaning.code : undefined
    onExchange?.(call.method, meaning.kind, answer.seconds, code, promotionId)
    return meaning
  }
  return {
    get: (key, { signal, mayCall }, how = {}) =>
      send(key, { method: 'GET', path: lookupPath(key), signal }, classifyLookup, { ...how, mayCall }),
    post: (key, request, { signal, mayCall, isFirst = false }) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key }
      const { type, promotionId, targetId, memberId, amount } = request
      const body = JSON.stringify({ type, promotionId, targetId, memberId, amount })
      const call: HttpCall = { method: 'POST', path: CHARGES_PATH, headers, body, signal }
      return send(key, call, classifyPost, { mayCall, isFirst }, promotionId)
    },
  }
}

/** Through the gate, in a span of its own where gifts are traced. */
function exchange(gate: ChargeCallsOptions['gate'], gift: string, call: HttpCall, how: ExchangeOptions) {
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
