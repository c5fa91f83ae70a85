/** What a process saw of the Money API since the last look. */
export interface LimitSample {
  /** Answers of any kind, silence included. */
  answers: number
  /** Those that were of no use. */
  failed: number
  /** The median time of an answer, in ms. */
  medianMs: number
  /** Most calls under way at once. */
  underWay: number
  /** What it covers, in ms; missing: {@link LOOK_INTERVAL_MS}. */
  overMs?: number
}

/** How many calls may be under way, and what that rests on. */
export interface LimitState {
  limit: number
  /** What an answer takes while nothing waits, in ms; 0 = not known yet. */
  baseMs: number
  /** Answers, and those of them that failed, since the last cut: what is older counts for less. */
  answers: number
  failed: number
  /** The share that fails however few are under way. */
  baseFailed: number
  /** Where it was too much the last time; no further until `holdMs` have passed. */
  ceiling: number
  holdMs: number
  /** Looks to pass over: what was under way before a cut is still being answered. */
  skips: number
  /** Cuts for slowness one after the other, and the median at the first of them. */
  cuts: number
  cutMs: number
  /** The share that failed when it was cut for that the last time; 0 = it never was. */
  cutFailed: number
}

/** How often it is looked at, in ms; less often where answers take so long that too few come meanwhile. */
export const LOOK_INTERVAL_MS = 250

/** Fewer answers say nothing. */
const MIN_ANSWERS = 20
/** Of what is kept of earlier looks. */
const KEPT = 0.8
const LOWEST = 10
const MOST_FAILED = 0.001
/** A machine that is busy itself makes answers this much slower, without any fault of the Money API. */
const MOST_SLOWNESS = 2
/** What was too much is kept clear of for so long, and then tried again, a little at a time. */
const HOLD_MS = 10_000
const STEP = 0.02
/** And a part of the way to what was too much: back soon where it is far. */
const WAY_BACK = 0.1
const SETTLING_LOOKS = 2
/** So many cuts that made it no faster were in vain: its pace is not of our number. */
const VAIN_CUTS = 3
/** What answers take longer than the base is taken over slowly, */
const FORGETS = 0.01
/** and quickly what fails far below the ceiling, where that is hardly less than above it: it is not of our number. */
const LEARNS = 0.2
const FAR_BELOW = 0.7
const HARDLY_LESS = 0.75

/**
 * How many calls the Money API bears: more while it keeps its pace, fewer when answers fail or take longer than they did
 * while nothing waited. Doubling at first (RFC 5681 §3.1), then additive increase and multiplicative decrease (Chiu and Jain,
 * 1989), with a plateau below what was too much, as CUBIC has (RFC 9438 §4.1): each probe beyond it costs real calls. Pure.
 */
export function nextLimit(before: LimitState, sample: LimitSample, most: number): LimitState {
  const state = { ...before, holdMs: Math.max(0, before.holdMs - (sample.overMs ?? LOOK_INTERVAL_MS)) }
  if (state.skips > 0) return { ...state, skips: state.skips - 1 }
  if (sample.answers < answersNeeded(state)) return state
  const answers = KEPT * state.answers + sample.answers
  const failed = KEPT * state.failed + sample.failed
  const seen = { ...state, answers, failed, baseMs: baseOf(state, sample) }
  const base = { ...seen, baseFailed: baseFailedOf(seen) }
  if (isFailing(base)) {
    // Again below what was too much: far down it shows whether it is the number at all.
    const isBad = sample.failed > 0.1 * sample.answers || state.holdMs > 0
    return { ...cut(base, isBad ? 0.5 : 0.8), cuts: 0, cutFailed: failed / answers }
  }
  if (sample.medianMs > MOST_SLOWNESS * base.baseMs) return slower(base, sample)
  const calm = { ...base, cuts: 0 }
  return sample.underWay >= 0.8 * state.limit ? { ...calm, limit: raised(calm, most) } : calm
}

/** So many answers tell something. */
export function answersNeeded({ limit }: LimitState): number {
  return Math.min(MIN_ANSWERS, limit)
}

/** Before anything was seen. */
export function firstLimit(limit: number): LimitState {
  const none = { answers: 0, failed: 0, baseMs: 0, baseFailed: 0, holdMs: 0, skips: 0, cuts: 0, cutMs: 0, cutFailed: 0 }
  return { limit, ceiling: Number.POSITIVE_INFINITY, ...none }
}

function baseOf({ baseMs }: LimitState, { medianMs }: LimitSample): number {
  return baseMs === 0 || medianMs < baseMs ? medianMs : baseMs + FORGETS * (medianMs - baseMs)
}

function baseFailedOf({ limit, ceiling, baseFailed, failed, answers, cutFailed }: LimitState): number {
  const share = failed / answers
  const isFarBelow = Number.isFinite(ceiling) && limit <= FAR_BELOW * ceiling
  const isOfOurNumber = share > baseFailed && share < HARDLY_LESS * cutFailed
  if (limit > LOWEST && (!isFarBelow || isOfOurNumber)) return baseFailed
  return baseFailed + LEARNS * (share - baseFailed)
}

/** More than chance makes of the share that may fail: two standard deviations, and one. */
function isFailing({ baseFailed, failed, answers }: LimitState): boolean {
  const expected = answers * (MOST_FAILED + 1.5 * baseFailed)
  return failed > expected + 2 * Math.sqrt(expected) + 1
}

function slower(state: LimitState, { medianMs }: LimitSample): LimitState {
  const isVain = state.cuts >= VAIN_CUTS && medianMs > 0.9 * state.cutMs
  if (isVain) return { ...state, baseMs: medianMs, cuts: 0, ceiling: Number.POSITIVE_INFINITY }
  return { ...cut(state, 0.8), cuts: state.cuts + 1, cutMs: state.cuts === 0 ? medianMs : state.cutMs }
}

function cut(state: LimitState, share: number): LimitState {
  const limit = Math.max(Math.min(LOWEST, state.limit), Math.floor(share * state.limit))
  return {
    ...state,
    limit,
    ceiling: Math.floor(0.95 * state.limit),
    skips: SETTLING_LOOKS,
    holdMs: HOLD_MS,
    answers: 0,
    failed: 0,
  }
}

function raised({ limit, ceiling, holdMs }: LimitState, most: number): number {
  const isFirst = ceiling === Number.POSITIVE_INFINITY
  const next = isFirst ? limit * 2 : limit + Math.max(1, STEP * limit, WAY_BACK * (ceiling - limit))
  return Math.min(most, holdMs > 0 ? Math.max(limit, ceiling) : most, Math.ceil(next))
}
