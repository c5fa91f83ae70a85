import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { singleFlight } from '#runtime/single-flight.ts'
import { within } from '#runtime/within.ts'

/** Where a group is to go on reading: the offset behind the last record that is settled. */
export interface NextOffset {
  topic: string
  partition: number
  offset: string
}

export interface OffsetCommitterOptions {
  commit(offsets: NextOffset[]): Promise<void>
  logger: Logger
}

/** Between two tries to commit what could not be committed, in ms. */
const RETRY_PAUSE_MS = 500
/** A broker that does not answer a commit for this long is asked again, in ms: a repeated commit changes nothing. */
const ANSWER_LIMIT_MS = 3000
/** An offset that cannot be committed for this long is told by `assertCommitted`, in ms. */
const STALE_AFTER_MS = 15_000

/**
 * Commits offsets until it worked: kafkajs forgets a commit that failed, and a topic on which nothing more comes would
 * keep its lag for ever. Commits of the same moment go in one request.
 */
export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions
  readonly #pending = new Map<string, NextOffset>()
  #pendingSinceMs: number | undefined
  #retry: NodeJS.Timeout | undefined
  readonly #flush = singleFlight(() => this.#tryOnce())

  constructor(options: OffsetCommitterOptions) {
    this.#options = options
  }

  /** Resolves after the first try. What failed is tried again by itself, until it worked or `forget` is called. */
  async commit(next: NextOffset): Promise<void> {
    this.#pending.set(nameOf(next), next)
    this.#pendingSinceMs ??= performance.now()
    // What is under way may have begun without this one.
    await this.#flush.inFlight()
    await this.#flush()
  }

  /** The partitions are dealt anew: each begins at what is committed, and brings what was not once more. */
  forget(): void {
    this.#pending.clear()
    this.#pendingSinceMs = undefined
    clearTimeout(this.#retry)
    this.#retry = undefined
  }

  assertCommitted(): void {
    const sinceMs = this.#pendingSinceMs
    if (sinceMs === undefined || performance.now() - sinceMs < STALE_AFTER_MS) return
    const waitingS = Math.round((performance.now() - sinceMs) / 1000)
    throw new CodedError('KAFKA_UNCOMMITTED', `offsets could not be committed for ${waitingS} s`)
  }

  async #tryOnce(): Promise<void> {
    const tried = [...this.#pending.values()]
    if (tried.length === 0) return
    try {
      await within(this.#options.commit(tried), ANSWER_LIMIT_MS, onNoAnswer)
      for (const next of tried) if (this.#pending.get(nameOf(next)) === next) this.#pending.delete(nameOf(next))
      this.#pendingSinceMs = this.#pending.size === 0 ? undefined : performance.now()
    } catch (error) {
      this.#options.logger.debug({ err: toError(error) }, `offsets are not committed yet: ${errorLine(error)}`)
    }
    this.#tryLater()
  }

  #tryLater(): void {
    if (this.#pending.size === 0 || this.#retry !== undefined) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      void this.#flush()
    }, RETRY_PAUSE_MS)
  }
}

function onNoAnswer(): never {
  throw new Error(`no answer within ${ANSWER_LIMIT_MS} ms`)
}

function nameOf({ topic, partition }: NextOffset): string {
  return `${topic}/${partition}`
}
