/** What the Money API is asked and what its answers mean. All pure. */

/** Body of a charge, all strings, built from the row. */
export interface ChargeRequest {
  type: string
  promotionId: string
  targetId: string
  memberId: string
  amount: string
}

/** The same key on every attempt, from every path, for ever: a function of the target alone. */
export function idempotencyKey({ type, targetId }: Pick<ChargeRequest, 'type' | 'targetId'>): string {
  return `${type}:${targetId}`
}

/** One HTTP exchange as it ended: a reply that was heard whole, or an error of the transport. */
export type HttpAnswer =
  | { kind: 'reply'; status: number; body: string; retryAfter: string | undefined }
  | { kind: 'no-reply'; error: Error }

/**
 * What a POST meant.
 * - `charged`: it holds a charge.
 * - `refused`: its own refusal, which only the GET makes final.
 * - `unauthorized`: our fault, nobody's gift.
 * - `unsettled`: try again with the same key. `heard` tells a reply from silence; either way nobody knows.
 */
export type PostMeaning =
  | { kind: 'charged'; transactionKey: string }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'unauthorized'; code: string; message: string }
  | Unsettled

export interface Unsettled {
  kind: 'unsettled'
  code: string
  message: string
  /** How long the Money API asks us to wait, in ms. */
  retryAfterMs?: number
}

/** What a GET by key meant. */
export type LookupMeaning =
  | { kind: 'charged'; transactionKey: string }
  | { kind: 'no-charge' }
  | { kind: 'unauthorized'; code: string; message: string }
  | Unsettled

const MESSAGE_LENGTH = 500
/** Asked to wait for longer, a gift waits for so long: a job that is due in years counts as live, and nobody looks at it. */
export const MAX_RETRY_AFTER_MS = 24 * 3_600_000

/**
 * Does the answer say that the Money API as a whole is in trouble: a 5xx, a time-out, a connection that broke? Its own
 * refusals, 409 and 429 included, show that it lives; an unreadable reply is that gift's trouble.
 */
export function isOutage(answer: HttpAnswer): boolean {
  if (answer.kind === 'reply') return answer.status >= 500
  const { code } = answer.error as { code?: unknown }
  return code !== 'ABORTED' && code !== 'REPLY_TOO_LARGE'
}

export function isRefusedCredentials(answer: HttpAnswer): boolean {
  return answer.kind === 'reply' && (answer.status === 401 || answer.status === 403)
}

export function classifyPost(answer: HttpAnswer, nowMs: number): PostMeaning {
  if (answer.kind === 'no-reply') return silence(answer.error)
  switch (answer.status) {
    case 200:
    case 201:
      return charged(answer.body)
    case 400:
    case 404:
    case 422:
      return { kind: 'refused', ...said(answer) }
    case 401:
    case 403:
      return { kind: 'unauthorized', ...said(answer) }
    default:
      return unsettled(answer, nowMs)
  }
}

export function classifyLookup(answer: HttpAnswer, nowMs: number): LookupMeaning {
  if (answer.kind === 'no-reply') return silence(answer.error)
  switch (answer.status) {
    case 200:
      return charged(answer.body)
    case 404:
      return { kind: 'no-charge' }
    case 401:
    case 403:
      return { kind: 'unauthorized', ...said(answer) }
    default:
      return unsettled(answer, nowMs)
  }
}

function charged(body: string): { kind: 'charged'; transactionKey: string } | Unsettled {
  const transactionKey = transactionKeyOf(body)
  if (transactionKey !== undefined) return { kind: 'charged', transactionKey }
  return { kind: 'unsettled', code: 'UNREADABLE_REPLY', message: `200 without a transactionKey: ${shorten(body)}` }
}

function transactionKeyOf(body: string): string | undefined {
  try {
    const key = (JSON.parse(body) as { transactionKey?: unknown } | null)?.transactionKey
    return typeof key === 'string' && key !== '' && !key.includes('\0') ? key : undefined
  } catch {
    return undefined
  }
}

function silence(error: Error): Unsettled {
  const code = (error as { code?: unknown }).code
  return { kind: 'unsettled', code: typeof code === 'string' ? code : 'NO_REPLY', message: shorten(error.message) }
}

function unsettled(answer: HttpAnswer & { kind: 'reply' }, nowMs: number): Unsettled {
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs)
  return { kind: 'unsettled', ...said(answer), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

function said({ status, body }: { status: number; body: string }): { code: string; message: string } {
  return { code: `HTTP_${status}`, message: shorten(body) }
}

/** Text that PostgreSQL takes: bounded, well-formed, without NUL. */
function shorten(text: string): string {
  return text.slice(0, MESSAGE_LENGTH).replaceAll('\0', '').toWellFormed()
}

/** RFC 9110 §10.2.3: seconds, or an HTTP date; undefined for neither. In ms from now, a day at most, never negative. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+$/.test(text)) return Math.min(MAX_RETRY_AFTER_MS, Number(text) * 1000)
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, at - nowMs))
}

/** Older than 90 % of what the Money API remembers: a POST could be a second charge, so the GET goes first. */
export function isKeyOld(row: { createdAtMs: number }, keyTtlMs: number, nowMs = Date.now()): boolean {
  return nowMs - row.createdAtMs > 0.9 * keyTtlMs
}
