import type { HttpMethod } from './charge.ts'

/** What the Money API answered one process in the last five seconds. */
export interface RecentCallsSummary {
  perSecond: number
  /** Calls by what their answer meant (`charged`, `unsettled`, …). */
  byMeaning: Record<string, number>
  /** Of all calls, those that got no usable answer or were refused for our credentials: 0 … 1. */
  failedShare: number
  p50Ms: number
  p90Ms: number
  p99Ms: number
  /** The last of those; null when there was none. */
  lastError: string | null
}

interface Second {
  second: number
  byMeaning: Map<string, number>
  durations: number[]
}

/** Short: what went wrong is told within five seconds, and what is mended is not told for much longer. */
const WINDOW_S = 5
/** Durations kept of one second: enough for a p99, bounded at any rate. */
const MAX_DURATIONS = 500
const FAILED = new Set(['unsettled', 'unauthorized'])

/** Counts calls by second, and forgets what is older than five. */
export class RecentCalls {
  readonly #now: () => number
  #seconds: Second[] = []
  #lastError: { code: string; second: number } | null = null

  /** `now`: ms of a clock that only goes on. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  add(_method: HttpMethod, meaning: string, seconds: number, code?: string): void {
    const of = this.#current()
    of.byMeaning.set(meaning, (of.byMeaning.get(meaning) ?? 0) + 1)
    if (of.durations.length < MAX_DURATIONS) of.durations.push(seconds * 1000)
    if (FAILED.has(meaning) && code !== undefined) this.#lastError = { code, second: of.second }
  }

  summary(): RecentCallsSummary {
    const { second } = this.#current()
    const byMeaning: Record<string, number> = {}
    let [all, failed] = [0, 0]
    for (const of of this.#seconds) {
      for (const [meaning, count] of of.byMeaning) {
        byMeaning[meaning] = (byMeaning[meaning] ?? 0) + count
        all += count
        if (FAILED.has(meaning)) failed += count
      }
    }
    const sorted = this.#seconds.flatMap(({ durations }) => durations).sort((one, other) => one - other)
    const at = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
    const last = this.#lastError
    return {
      perSecond: Math.round((all / WINDOW_S) * 10) / 10,
      byMeaning,
      failedShare: all === 0 ? 0 : failed / all,
      p50Ms: at(0.5),
      p90Ms: at(0.9),
      p99Ms: at(0.99),
      lastError: last !== null && second - last.second < WINDOW_S ? last.code : null,
    }
  }

  #current(): Second {
    const second = Math.floor(this.#now() / 1000)
    const last = this.#seconds.at(-1)
    if (last?.second === second) return last
    const next = { second, byMeaning: new Map<string, number>(), durations: [] }
    this.#seconds = [...this.#seconds.filter(of => second - of.second < WINDOW_S), next]
    return next
  }
}
