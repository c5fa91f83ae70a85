import type { Cluster, Redis } from 'ioredis'
import type { Logger } from '#runtime/logger.ts'
import type { HttpPool } from './http.ts'

/** What the gate before the Money API is made of. */
export interface MoneyGateOptions {
  http: HttpPool
  /** For what all instances share; fails at once, or within a second, when it is away. */
  redis: Redis | Cluster
  /** `MONEY_API_RATE_LIMIT`; 0 = none. */
  rateLimit: number
  /** Calls at once in this process. */
  maxInFlight?: number
  /** As many at once as the Money API bears, up to `maxInFlight`. Default: up to `maxInFlight`, whatever it bears. */
  isAdaptive?: boolean
  /** GET of a key: a call that changes nothing. */
  probePath(gift: string): string
  /** A key that is known as SUCCESS; asked for when this process has paid nothing itself yet. */
  findPaid?(): Promise<string | undefined>
  /** Has any gift ever been paid? Rejects when that cannot be said. */
  hasPaid?(): Promise<boolean>
  /** False: a refusal of our credentials is our own affair (a shell's wrong token must not stop the workers). */
  tellsRefusals?: boolean
  logger: Logger
}
