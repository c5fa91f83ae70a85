import { Cluster, type Redis, ReplyError } from 'ioredis'
import { errorLine, toError } from './errors.ts'

/** What no waiting cures: who we are, how we speak, or what the server is. */
const FINAL =
  /\b(?:WRONGPASS|NOAUTH|NOPERM|DENIED|EPROTO|ERR_TLS\w*|ERR_SSL\w*)\b|invalid password|certificate|self.signed|cluster support disabled|Client sent AUTH|^MOVED /i

export function isFinalRefusal(error: unknown): boolean {
  return FINAL.test(errorLine(error)) || FINAL.test(String((error as { code?: unknown } | undefined)?.code))
}

/** What most likely is wrong where the server, or the lack of one, says it in words of its own only. */
const HINTS: readonly { error: RegExp; isTls?: boolean; hint: string }[] = [
  {
    error: /ETIMEDOUT|no answer|before secure TLS/,
    isTls: true,
    hint: 'rediss:// wants TLS, does this port speak it?',
  },
  { error: /ECONNRESET|EPIPE/, isTls: false, hint: 'a port that speaks TLS wants rediss://' },
  { error: /cluster support disabled/, hint: 'REDIS_CLUSTER (option «cluster») is true, and this is no cluster' },
  { error: /^MOVED /, hint: 'this is a cluster: it needs REDIS_CLUSTER=true (option «cluster»)' },
]

/** One line for an operator: which setting, who refuses or does not answer, in the server's own words. */
export function describeRefusal(client: Redis | Cluster, setting: string, error: unknown): string {
  const verb = isFinalRefusal(error) || error instanceof ReplyError ? 'refuses us' : 'does not answer'
  const reason = errorLine(error)
  const isTls = nodeOptionsOf(client).tls !== undefined
  const known = HINTS.find(each => each.error.test(reason) && (each.isTls ?? isTls) === isTls)
  const hint = /\bNOPERM\b/.test(reason) ? `the user is «${userOf(client)}»` : known?.hint
  return `Redis (${setting}) ${verb}: ${reason}${hint === undefined ? '' : ` (${hint})`}`
}

/** Who the server takes us for. */
export function userOf(client: Redis | Cluster): string {
  return nodeOptionsOf(client).username ?? 'default'
}

const nodeOptionsOf = (client: Redis | Cluster) =>
  (client instanceof Cluster ? client.options.redisOptions : client.options) ?? {}

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
