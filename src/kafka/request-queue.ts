import { createRequire } from 'node:module'

/**
 * kafkajs looks every millisecond, on each connection and for ever, for requests that wait although none does
 * (tulios/kafkajs#1556, #1704): half of what an idle process costs. Here it looks while one waits: when the broker's
 * throttling ends, else soon. A request that those under way hold back is sent when one of them is answered, as before.
 */
interface RequestQueue {
  readonly pending: readonly unknown[]
  /** Unix time in ms; in the past where the broker does not throttle this client. */
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

const REQUEST_QUEUE = 'kafkajs/src/network/requestQueue'
const CHECK_MS = 10

const { prototype } = createRequire(import.meta.url)(REQUEST_QUEUE) as { prototype: RequestQueue }
if (typeof prototype.scheduleCheckPendingRequests !== 'function') throw new Error(`${REQUEST_QUEUE} has changed`)
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
