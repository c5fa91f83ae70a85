import { CodedError, errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { UnreadableBatch } from './unreadable.ts'

export interface Partition {
  topic: string
  partition: number
}

/** A partition that stands still is looked at again after this long, in ms: another replica may hold a sound copy. */
const RETRY_AFTER_MS = 10_000

/** The partitions of one consumer that stand still before a batch that cannot be decoded; the others go on. */
export class BlockedPartitions {
  readonly #logger: Logger
  readonly #reasons = new Map<string, string>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** @param pause stops the partition's fetches and returns how they go on. */
  block(at: Partition, { firstOffset, error }: UnreadableBatch, pause: () => () => void): void {
    const name = nameOf(at)
    const reason = `${name} stands still: its records from offset ${firstOffset} on cannot be decoded: ${errorLine(error)}`
    if (this.#reasons.get(name) !== reason) this.#logger.error({ ...at, err: error }, reason)
    this.#reasons.set(name, reason)
    const goOn = pause()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      goOn()
    }, RETRY_AFTER_MS)
    this.#timers.add(timer)
  }

  /** A batch of the partition was read. */
  release(at: Partition): void {
    if (this.#reasons.delete(nameOf(at))) this.#logger.info({ ...at }, `${nameOf(at)} goes on`)
  }

  /** The partitions were dealt anew: what others have now is no longer ours to tell. */
  keepOnly(assignment: Readonly<Record<string, number[]>>): void {
    const ours = new Set(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map(partition => nameOf({ topic, partition })),
      ),
    )
    for (const name of this.#reasons.keys()) if (!ours.has(name)) this.#reasons.delete(name)
  }

  /** Throws with the reason while a partition stands still. */
  assertNone(): void {
    const [reason, ...others] = this.#reasons.values()
    if (reason === undefined) return
    const rest = others.length === 0 ? '' : ` (and ${others.length} more)`
    throw new CodedError('KAFKA_UNREADABLE', `${reason}${rest}`)
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

function nameOf({ topic, partition }: Partition): string {
  return `partition ${partition} of ${topic}`
}
