import type { RecentCallsSummary } from './recent-calls.ts'

/** Whether the Money API may be called, as one process sees it. Times are ISO 8601. */
export interface MoneyStatus {
  /** `open`: nothing is called; `half-open`: a few calls find out whether it is back. */
  breaker: 'closed' | 'open' | 'half-open'
  /** When the breaker entered that state. */
  breakerSince: string
  /** What was answered instead of something usable (`HTTP_302`, `TIMEOUT`, …); null while it is closed. */
  breakerReason?: string | null
  /** Our credentials are refused, here or at another instance. */
  credentialsRefused: boolean
  credentialsRefusedSince: string | null
  /** Calls wait for permits of `MONEY_API_RATE_LIMIT` right now. */
  rateLimited: boolean
  /** What its calls came to lately; missing from processes that make none, or are older. */
  recentCalls?: RecentCallsSummary
}
