import { createRequire } from 'node:module'

/**
 * kafkajs looks every millisecond, on each connection and for ever, for requests that wait although none does
 * (tulios/kafkajs#1556, #1704): half of what an idle process costs. Here it looks while one waits: when the broker's
 * throttling ends, else soon. A request that those under way hold back is sent when one of them is answered, as before.
 * It also looks ten times a second, on each connection, whether a request under way has timed out: a tenth of the time-out,
 * one second at most, is often enough.
 */
interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly inflight: ReadonlyMap<number, RequestUnderWay>
  readonly enforceRequestTimeout: boolean
  /** In ms; a request may have a longer one of its own. */
  readonly requestTimeout: number
  requestTimeoutIntervalId: NodeJS.Timeout | null
  /** Unix time in ms; in the past where the broker does not throttle this client. */
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  isConnected(): boolean
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
  scheduleRequestTimeoutCheck(): void
  /** Clears the timers. */
  destroy(): void
}

interface RequestUnderWay {
  /** Unix time in ms. */
  readonly sentAt: number
  readonly requestTimeout: number
  timeoutRequest(): void
}

const REQUEST_QUEUE = 'kafkajs/src/network/requestQueue'
const CHECK_MS = 10
const LONGEST_TIMEOUT_CHECK_MS = 1000

const { prototype } = createRequire(import.meta.url)(REQUEST_QUEUE) as { prototype: RequestQueue }
for (const method of ['scheduleCheckPendingRequests', 'scheduleRequestTimeoutCheck', 'destroy'] as const)
  if (typeof prototype[method] !== 'function') throw new Error(`${REQUEST_QUEUE} has changed`)

prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return
  const throttledMs = this.throttledUntil - Date.now()
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null
      this.checkPendingRequests()
    },
    throttledMs > 0 ? throttledMs : CHECK_MS,
  )
}

prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue): void {
  if (!this.enforceRequestTimeout) return
  this.destroy()
  const check = () => {
    for (const request of this.inflight.values())
      if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest()
    if (!this.isConnected()) this.destroy()
  }
  // An open connection keeps the process alive; this timer, which may outlast it, must not.
  this.requestTimeoutIntervalId = setInterval(
    check,
    Math.min(this.requestTimeout / 10, LONGEST_TIMEOUT_CHECK_MS),
  ).unref()
}
