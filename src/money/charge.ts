import { parseExact } from '#runtime/exact-json.ts'

/** What the Money API is asked and what its answers mean. All pure. */

/** Body of a charge, all strings, built from the row. */
export interface ChargeRequest {
  type: string
  promotionId: string
  targetId: string
  memberId: string
  amount: string
}

/** The part of a result row that a charge is built from. */
export type ChargeableRow = Omit<ChargeRequest, 'type'>

/** The planning documents' `CampaignChargeRequestMapper`: what is paid is what the row says. */
export function toChargeRequest(type: string, row: ChargeableRow): ChargeRequest {
  const { promotionId, targetId, memberId, amount } = row
  return { type, promotionId, targetId, memberId, amount }
}

/** The same key on every attempt, from every path, for ever: a function of the target alone. */
export function idempotencyKey({ type, targetId }: Pick<ChargeRequest, 'type' | 'targetId'>): string {
  return `${type}:${targetId}`
}

/** One HTTP exchange as it ended: a reply that was heard whole, or an error of the transport. */
export type HttpAnswer =
  | {
      kind: 'reply'
      status: number
      body: string
      retryAfter: string | undefined
      /** A 404 that may be a gateway's «no such route», or a refusal that is this gift's alone: it says nothing. */
      isDoubted?: boolean
    }
  | {
      kind: 'no-reply'
      error: Error
      /** Not one byte of it left this process. Missing = it may have. */
      isUnsent?: boolean
      /** This process stood still meanwhile: the silence may be ours. */
      isStalled?: boolean
    }

export type HttpMethod = 'GET' | 'POST'

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

/** What a GET by key meant; `amount` = digits, where the Money API tells what it charged. */
export type LookupMeaning =
  | { kind: 'charged'; transactionKey: string; amount?: string }
  | { kind: 'no-charge' }
  | { kind: 'unauthorized'; code: string; message: string }
  | Unsettled

const MESSAGE_LENGTH = 500
/** Asked to wait for longer, a gift waits for so long: a job that is due in years counts as live, and nobody looks at it. */
export const MAX_RETRY_AFTER_MS = 24 * 3_600_000

/**
 * What an answer says of the Money API as a whole. `usable`: it lives; `unusable`: so responds one that is away, or whatever
 * stands in its place; `refused`: our credentials are; `none`: nothing, or not yet (the GET after a refusal says it).
 */
export type Sample = 'usable' | 'unusable' | 'refused' | 'none'

export function sampleOf(method: HttpMethod, answer: HttpAnswer): Sample {
  if (answer.kind === 'no-reply')
    return isGivenUp(answer) || isOwnFault(answer) || answer.isStalled ? 'none' : 'unusable'
  if (isRefusedCredentials(answer)) return method === 'POST' || answer.isDoubted ? 'none' : 'refused'
  if (isCharge(method, answer)) return 'usable'
  if (method === 'POST') return answer.status === 400 || answer.status === 422 ? 'none' : 'unusable'
  return answer.status === 404 && !answer.isDoubted ? 'usable' : 'unusable'
}

/** Only the Money API itself responds so; after one its 404 can be believed. */
export function isClear(method: HttpMethod, answer: HttpAnswer): boolean {
  if (answer.kind === 'no-reply') return false
  return isCharge(method, answer) || (method === 'POST' && (answer.status === 400 || answer.status === 422))
}

/** A charge, with its transaction key. */
export function isCharge(method: HttpMethod, answer: HttpAnswer): boolean {
  if (answer.kind === 'no-reply' || !(answer.status === 200 || (answer.status === 201 && method === 'POST')))
    return false
  return transactionKeyOf(answer.body) !== undefined
}

/** By us: the process stops. */
function isGivenUp(answer: HttpAnswer): boolean {
  return answer.kind === 'no-reply' && errorCodeOf(answer.error) === 'ABORTED'
}

const OWN_FAULTS =
  /^(UND_ERR_(INVALID_ARG|INVALID_RETURN_VALUE|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH|DESTROYED|CLOSED|ABORTED)|ERR_)/

/** Our own client refused to make the call: nothing was sent, and nothing is said of the Money API. */
export function isOwnFault(answer: HttpAnswer): boolean {
  if (answer.kind === 'reply' || !answer.isUnsent) return false
  const code = errorCodeOf(answer.error)
  return code === undefined || OWN_FAULTS.test(code)
}

/** `HTTP_{status}`, or the error's code. */
export function codeOf(answer: HttpAnswer): string {
  return answer.kind === 'reply' ? `HTTP_${answer.status}` : (errorCodeOf(answer.error) ?? 'NO_REPLY')
}

function errorCodeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

export function isRefusedCredentials(answer: HttpAnswer): boolean {
  return answer.kind === 'reply' && (answer.status === 401 || answer.status === 403)
}

/** Undefined: the answer to a GET says nothing about our credentials. */
export function areTaken(answer: HttpAnswer | undefined): boolean | undefined {
  if (answer === undefined || sampleOf('GET', answer) === 'unusable') return undefined
  return !isRefusedCredentials(answer)
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
      return found(answer.body)
    case 404:
      return answer.isDoubted ? unsettled(answer, nowMs) : { kind: 'no-charge' }
    case 401:
    case 403:
      return answer.isDoubted ? unsettled(answer, nowMs) : { kind: 'unauthorized', ...said(answer) }
    default:
      return unsettled(answer, nowMs)
  }
}

function charged(body: string): { kind: 'charged'; transactionKey: string } | Unsettled {
  const transactionKey = transactionKeyOf(body)
  if (transactionKey !== undefined) return { kind: 'charged', transactionKey }
  return { kind: 'unsettled', code: 'UNREADABLE_REPLY', message: `200 without a transactionKey: ${shorten(body)}` }
}

function found(body: string): LookupMeaning {
  const meaning = charged(body)
  const amount = meaning.kind === 'charged' ? amountOf(body) : undefined
  return meaning.kind === 'charged' && amount !== undefined ? { ...meaning, amount } : meaning
}

/** Exact, whether it stands there as a number or as text; undefined for what is no whole number. */
function amountOf(body: string): string | undefined {
  const { amount } = parseExact(body) as { amount?: string | { rawJSON?: string } | null }
  const digits = typeof amount === 'string' ? amount : amount?.rawJSON
  return digits !== undefined && /^\d+$/.test(digits) ? digits : undefined
}

/** What was read last: one answer is looked at from half a dozen places, one right after the other. */
let lastRead: { body: string; transactionKey: string | undefined } | undefined

function transactionKeyOf(body: string): string | undefined {
  if (lastRead?.body !== body) lastRead = { body, transactionKey: readTransactionKey(body) }
  return lastRead.transactionKey
}

function readTransactionKey(body: string): string | undefined {
  try {
    const key = (JSON.parse(body) as { transactionKey?: unknown } | null)?.transactionKey
    return typeof key === 'string' && key !== '' && !key.includes('\0') ? key : undefined
  } catch {
    return undefined
  }
}

function silence(error: Error): Unsettled {
  return { kind: 'unsettled', code: errorCodeOf(error) ?? 'NO_REPLY', message: shorten(error.message) }
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
