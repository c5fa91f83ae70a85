import type { Cluster, Redis } from 'ioredis'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

/** Who was refused first, when (ISO 8601), and with which status. */
export interface CredentialsRefusal {
  since: string
  code: string
}

const LATCH_KEY = 'promostream:money:credentials-refused'
const PROBE_LOCK_KEY = 'promostream:money:credentials-probe'
const TICK_MS = 1000
/** While our credentials are refused, one call in this long, over all instances, finds out whether they still are. */
const PROBE_INTERVAL_MS = 5000
const MAX_PROBE_INTERVAL_MS = 60_000
/** Refused again this soon after a probe was let in: GETs are allowed and POSTs are not. */
const RELAPSE_MS = 10_000

/** What the key says when the refusal was lifted: without it a wiped Redis would look the same. */
interface Lifted {
  liftedAt: string
}

const LIFTED_TTL_MS = 3_600_000

/** The latch as all instances see it; undefined: our credentials are taken. */
export async function readCredentialsLatch(redis: Redis | Cluster): Promise<CredentialsRefusal | undefined> {
  const told = await read(redis)
  return told !== undefined && 'since' in told ? told : undefined
}

/** For an operator: every instance calls again within two seconds. One that is refused again latches again. */
export async function clearCredentialsLatch(redis: Redis | Cluster): Promise<CredentialsRefusal | undefined> {
  const refusal = await readCredentialsLatch(redis)
  await lift(redis)
  return refusal
}

async function read(redis: Redis | Cluster): Promise<CredentialsRefusal | Lifted | undefined> {
  const text = await redis.get(LATCH_KEY)
  return text === null ? undefined : (JSON.parse(text) as CredentialsRefusal | Lifted)
}

async function lift(redis: Redis | Cluster): Promise<void> {
  const lifted: Lifted = { liftedAt: new Date().toISOString() }
  await redis.set(LATCH_KEY, JSON.stringify(lifted), 'PX', LIFTED_TTL_MS)
}

export interface CredentialsLatchOptions {
  /** Fails at once, or within a second, when Redis is away. */
  redis: Redis | Cluster
  logger: Logger
  /** Called when calls must stop, and when they may go on (undefined). */
  onChange(refusal: CredentialsRefusal | undefined): void
  /** Asks the Money API something harmless: are our credentials taken? Undefined: it did not say. */
  probe(): Promise<boolean | undefined>
  /** How often is looked at what others say; default a second. */
  tickMs?: number
  /** How often is asked whether it is over, longer after a relapse; default five seconds. */
  probeIntervalMs?: number
}

/**
 * After a 401 or 403 no instance calls until a probe succeeds or an operator clears it. The key in Redis is what
 * instances tell each other by; an instance that was refused itself holds back without Redis too.
 */
export class CredentialsLatch {
  readonly #options: CredentialsLatchOptions
  #refusal: CredentialsRefusal | undefined
  /** Refused here, and not yet told to the others. */
  #isUntold = false
  #isTicking = false
  #timer: NodeJS.Timeout | undefined
  #probeDueAtMs = 0
  readonly #shortestIntervalMs: number
  #probeIntervalMs: number
  #releasedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: CredentialsLatchOptions) {
    this.#options = options
    this.#shortestIntervalMs = options.probeIntervalMs ?? PROBE_INTERVAL_MS
    this.#probeIntervalMs = this.#shortestIntervalMs
  }

  get refusal(): CredentialsRefusal | undefined {
    return this.#refusal
  }

  async start(): Promise<void> {
    await this.#tick()
    this.#timer = setInterval(() => void this.#tick(), this.#options.tickMs ?? TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A call of ours was refused. */
  refused(code: string): void {
    if (this.#refusal !== undefined) return
    const isRelapse = performance.now() - this.#releasedAtMs < RELAPSE_MS
    const relapsedMs = Math.min(2 * this.#probeIntervalMs, MAX_PROBE_INTERVAL_MS)
    this.#probeIntervalMs = isRelapse ? relapsedMs : this.#shortestIntervalMs
    this.#isUntold = true
    this.#latch({ since: new Date().toISOString(), code })
    void this.#tick()
  }

  #latch(refusal: CredentialsRefusal): void {
    this.#refusal = refusal
    this.#probeDueAtMs = performance.now() + this.#probeIntervalMs
    this.#options.onChange(refusal)
  }

  #release(): void {
    this.#refusal = undefined
    this.#isUntold = false
    this.#releasedAtMs = performance.now()
    this.#options.onChange(undefined)
  }

  async #tick(): Promise<void> {
    if (this.#isTicking) return
    this.#isTicking = true
    try {
      await this.#agree()
    } catch (error) {
      this.#options.logger.debug({ err: toError(error) }, `credentials latch: Redis is away: ${errorLine(error)}`)
    }
    try {
      if (this.#refusal !== undefined && performance.now() >= this.#probeDueAtMs) await this.#probe()
    } finally {
      this.#isTicking = false
    }
  }

  /** What an instance knows is what the key says, but for what it has not told yet, or what a wiped Redis forgot. */
  async #agree(): Promise<void> {
    const { redis } = this.#options
    const told = await read(redis)
    const isLifted = told !== undefined && !('since' in told)
    if (told !== undefined && !isLifted) {
      if (this.#refusal === undefined) this.#latch(told)
      // Who was refused first is what all instances say.
      else this.#refusal = told
    } else if (this.#refusal !== undefined) {
      if (isLifted && !this.#isUntold) return this.#release()
      const text = JSON.stringify(this.#refusal)
      if (isLifted) await redis.set(LATCH_KEY, text)
      else await redis.set(LATCH_KEY, text, 'NX')
    }
    this.#isUntold = false
  }

  async #probe(): Promise<void> {
    if (!(await this.#isMyTurn())) return
    this.#probeDueAtMs = performance.now() + this.#probeIntervalMs
    if (!(await this.#options.probe())) return
    await lift(this.#options.redis).catch(() => undefined)
    if (this.#refusal !== undefined) this.#release()
  }

  /** One prober at a time; without Redis every instance is on its own. */
  async #isMyTurn(): Promise<boolean> {
    try {
      return (await this.#options.redis.set(PROBE_LOCK_KEY, '1', 'PX', this.#probeIntervalMs, 'NX')) === 'OK'
    } catch {
      return true
    }
  }
}
