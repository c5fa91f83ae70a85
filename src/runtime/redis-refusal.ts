import type { Cluster, Redis } from 'ioredis'
import { errorLine, toError } from './errors.ts'

/** What no waiting cures: who we are, how we speak, or what the server is. */
const FINAL =
  /\b(?:WRONGPASS|NOAUTH|NOPERM|DENIED|EPROTO|ERR_TLS\w*|ERR_SSL\w*)\b|invalid password|certificate|self.signed|cluster support disabled|Client sent AUTH/i

export function isFinalRefusal(error: unknown): boolean {
  return FINAL.test(errorLine(error)) || FINAL.test(String((error as { code?: unknown } | undefined)?.code))
}

/** Why a client does not get there: ioredis tells only those who listen, and rejects commands with less. */
export interface LastReason {
  readonly error: Error | undefined
  /** At once when it is known that trying again does not help. */
  onFinal(listener: (error: Error) => void): void
  stop(): void
}

export function lastReasonOf(client: Redis | Cluster): LastReason {
  let last: Error | undefined
  let tellFinal: ((error: Error) => void) | undefined
  const note = (thrown: unknown) => {
    const error = toError((thrown as { lastNodeError?: Error }).lastNodeError ?? thrown)
    // What says less than what is known already: the end of a connection that was refused.
    if (last !== undefined && isFinalRefusal(last)) return
    last = error
    if (isFinalRefusal(error)) tellFinal?.(error)
  }
  const events = ['error', 'node error'] as const
  for (const event of events) (client as Cluster).on(event, note)
  return {
    get error() {
      return last
    },
    onFinal: listener => {
      tellFinal = listener
      if (last !== undefined && isFinalRefusal(last)) listener(last)
    },
    stop: () => {
      for (const event of events) (client as Cluster).off(event, note)
    },
  }
}
