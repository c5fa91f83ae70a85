import type { PromotionStartedMessage } from '#queues/started.message.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { within } from '#runtime/within.ts'

/** Hears that a promotion was started. `signal` aborts when its time is up. */
export type PromotionStartedListener = (event: PromotionStartedMessage, signal: AbortSignal) => Promise<void> | void

export interface PromotionStartedHooks {
  /** Registers a listener under a name that its errors are logged with. Returns how to take it back. */
  onPromotionStarted(name: string, listener: PromotionStartedListener): () => void
  /** Tells every listener, and waits for none: one that throws, or hangs, harms nobody. */
  notify(event: PromotionStartedMessage): void
}

export interface StartedHooksOptions {
  logger: Logger
  /** How long a listener may take, in ms. Default 10,000. */
  timeoutMs?: number
}

/** Code that wants to know when a promotion starts: each listener alone, with its own copy of the event and a deadline. */
export function createPromotionStartedHooks({
  logger,
  timeoutMs = 10_000,
}: StartedHooksOptions): PromotionStartedHooks {
  const listeners = new Map<symbol, { name: string; listener: PromotionStartedListener }>()
  const run = async (
    { name, listener }: { name: string; listener: PromotionStartedListener },
    event: PromotionStartedMessage,
  ) => {
    const deadline = new AbortController()
    const onLate = () => {
      const error = new CodedError('LISTENER_TIMEOUT', `not done within ${timeoutMs} ms`)
      deadline.abort(error)
      throw error
    }
    try {
      // In a turn of its own: one that blocks before its first await keeps at least its caller's answer from waiting.
      await new Promise(resolve => setImmediate(resolve))
      await within(Promise.resolve(listener({ ...event }, deadline.signal)), timeoutMs, onLate)
    } catch (error) {
      const { promotionId } = event
      logger.error(
        { err: toError(error), listener: name, promotionId },
        `started listener ${name}: ${errorLine(error)}`,
      )
    }
  }
  return {
    onPromotionStarted: (name, listener) => {
      const key = Symbol(name)
      listeners.set(key, { name, listener })
      return () => listeners.delete(key)
    },
    notify: event => {
      for (const registered of listeners.values()) void run(registered, event)
    },
  }
}
