import { type Service, service } from '#runtime/service.ts'
import {
  type ChargeRequest,
  classifyLookup,
  classifyPost,
  idempotencyKey,
  type LookupMeaning,
  type PostMeaning,
  type Unsettled,
} from './charge.ts'
import type { HttpPool } from './http.ts'

/**
 * How one attempt to pay ended; `posts` = POSTs sent in it.
 * - `charged`: the Money API holds the charge.
 * - `failed`: it refused, and its GET confirms that it holds none.
 * - `unsettled`: nobody knows, or it asked for another try; the next one uses the same key.
 * - `unauthorized`: our credentials are refused; nothing about the gift has changed.
 * - `aborted`: a stopping process gave the call up; the gift stays as it is.
 */
export type ChargeOutcome = (
  | { kind: 'charged'; transactionKey: string }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'unauthorized'; code: string; message: string }
  | { kind: 'aborted' }
  | Unsettled
) & { posts: number }

export interface ChargeOptions {
  signal?: AbortSignal
  /** Ask by GET before the POST: the row is so old that the Money API may have forgotten its key. */
  lookFirst?: boolean
}

/** The spec's `MoneyCampaignChargeApi`: at least one POST reaches the Money API per `charged`; its key makes it once. */
export interface MoneyCampaignChargeApi extends Service {
  /** Never rejects for what the Money API does or fails to do. */
  charge(request: ChargeRequest, options?: ChargeOptions): Promise<ChargeOutcome>
  /** GET by key: is there a charge? */
  lookup(request: Pick<ChargeRequest, 'type' | 'targetId'>, signal?: AbortSignal): Promise<LookupMeaning>
}

export interface ChargeApiOptions {
  http: HttpPool
  now?: () => number
  /** Our credentials are refused (true), or are taken again (false): somebody has to know. */
  onCredentials?(areRefused: boolean, code: string): void
  /** Called after each exchange, for metrics. */
  onExchange?(method: 'GET' | 'POST', meaning: PostMeaning['kind'] | LookupMeaning['kind'], seconds: number): void
}

const CHARGES_PATH = '/v1/campaign-charges'
/** While our credentials are refused, one call in this many ms finds out whether they still are. */
const UNAUTHORIZED_PROBE_INTERVAL_MS = 5000

export function createMoneyCampaignChargeApi(options: ChargeApiOptions): MoneyCampaignChargeApi {
  const now = options.now ?? Date.now
  const latch = new CredentialsLatch(now, (areRefused, code) => options.onCredentials?.(areRefused, code))

  const timed = async <Meaning extends PostMeaning | LookupMeaning>(
    method: 'GET' | 'POST',
    exchange: () => Promise<Meaning>,
  ): Promise<Meaning> => {
    const startedAt = performance.now()
    const meaning = await exchange()
    options.onExchange?.(method, meaning.kind, (performance.now() - startedAt) / 1000)
    latch.learn(meaning)
    return meaning
  }
  const lookup: MoneyCampaignChargeApi['lookup'] = (request, signal) =>
    timed('GET', async () => {
      // Letters, a colon and digits: a path segment as it stands (RFC 3986 §3.3).
      const path = `${CHARGES_PATH}/${idempotencyKey(request)}`
      return classifyLookup(await options.http.exchange({ method: 'GET', path, signal }), now())
    })
  const post = (request: ChargeRequest, signal: AbortSignal | undefined) =>
    timed('POST', async () => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey(request) }
      const { type, promotionId, targetId, memberId, amount } = request
      const body = JSON.stringify({ type, promotionId, targetId, memberId, amount })
      return classifyPost(
        await options.http.exchange({ method: 'POST', path: CHARGES_PATH, headers, body, signal }),
        now(),
      )
    })

  return {
    ...service('money-api', { start: async () => undefined, stop: () => options.http.close() }),
    lookup,
    charge: async (request, { signal, lookFirst } = {}) => {
      const closed = latch.closed()
      if (closed !== undefined) return { ...closed, posts: 0 }
      if (lookFirst) {
        const found = await lookup(request, signal)
        if (found.kind !== 'no-charge') return abortedOr(found, signal, 0)
      }
      const posted = await post(request, signal)
      if (posted.kind !== 'refused') return abortedOr(posted, signal, 1)
      // A refusal may answer a repeated key whose first call was applied and its reply lost: only the GET tells.
      const found = await lookup(request, signal)
      if (found.kind === 'no-charge') return { kind: 'failed', code: posted.code, message: posted.message, posts: 1 }
      return abortedOr(found, signal, 1)
    },
  }
}

function abortedOr(
  meaning: Exclude<PostMeaning, { kind: 'refused' }> | Exclude<LookupMeaning, { kind: 'no-charge' }>,
  signal: AbortSignal | undefined,
  posts: number,
): ChargeOutcome {
  return signal?.aborted && meaning.kind === 'unsettled' ? { kind: 'aborted', posts } : { ...meaning, posts }
}

/** After a 401 or 403 nothing is called but a probe now and then; an answer that is neither opens it again. */
class CredentialsLatch {
  readonly #now: () => number
  readonly #onChange: (areRefused: boolean, code: string) => void
  #refusal: { kind: 'unauthorized'; code: string; message: string } | undefined
  #nextProbeAt = 0

  constructor(now: () => number, onChange: (areRefused: boolean, code: string) => void) {
    this.#now = now
    this.#onChange = onChange
  }

  /** The refusal that forbids a call now, or undefined: go ahead. */
  closed() {
    if (this.#refusal === undefined || this.#now() < this.#nextProbeAt) return this.#refusal
    this.#nextProbeAt = this.#now() + UNAUTHORIZED_PROBE_INTERVAL_MS
    return undefined
  }

  learn(meaning: PostMeaning | LookupMeaning): void {
    if (meaning.kind === 'unauthorized') {
      const isNew = this.#refusal === undefined
      if (isNew) this.#nextProbeAt = this.#now() + UNAUTHORIZED_PROBE_INTERVAL_MS
      this.#refusal = meaning
      if (isNew) this.#onChange(true, meaning.code)
    } else if (this.#refusal !== undefined && meaning.kind !== 'unsettled') {
      this.#refusal = undefined
      this.#onChange(false, meaning.kind)
    }
  }
}
