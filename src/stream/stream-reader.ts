import { toError } from '#runtime/errors.ts'
import { epochMs, performance } from './clock.ts'
import { type RawEntry, toEntry } from './entry.ts'
import type { ConsumerGroup } from './group.ts'
import type { Lease, LeasedEntries } from './leased-entries.ts'
import type { ReadResult } from './pool-member.ts'
import { ReadRun } from './read-run.ts'

export interface StreamReaderOptions<Fields extends Record<string, string>> {
  stream: string
  group: Pick<ConsumerGroup, 'read'>
  leased: LeasedEntries<Fields>
  /** A new entry, which has its slot already. */
  begin(lease: Lease<Fields>): void
  /** One that is leased already was handed out again. */
  repeated(id: string, askedAtMs: number): void
  /** One that was deleted meanwhile. */
  settleDeleted(id: string): void
  onFailed(error: Error): Promise<void>
  onDrained(): void
}

/** Reads what nobody was given yet, into slots that were set aside for it. */
export class StreamReader<Fields extends Record<string, string>> {
  readonly #o: StreamReaderOptions<Fields>
  #hasWorked = false
  /** Slots of the reads under way. */
  reading = 0
  /** Everything up to this id was delivered to the group, as far as is known. */
  seenId = '0-0'
  /** When the stream was last asked for entries, in ms since the epoch; 0 = never. */
  lastPollAt = 0

  constructor(options: StreamReaderOptions<Fields>) {
    this.#o = options
  }

  async read(count: number): Promise<ReadResult> {
    this.reading += count
    this.lastPollAt = epochMs()
    const askedAtMs = performance.now()
    let entries: RawEntry[] | undefined
    try {
      entries = await this.#o.group.read(count)
    } catch (error) {
      await this.#o.onFailed(toError(error))
    } finally {
      this.reading -= count
    }
    return entries === undefined ? 'failed' : this.#begin(entries, count, askedAtMs)
  }

  #begin(entries: readonly RawEntry[], count: number, askedAtMs: number): ReadResult {
    const { stream, leased } = this.#o
    const run = entries.length > 1 ? new ReadRun(entries.map(([id]) => id)) : undefined
    for (const [at, [id, fields]] of entries.entries()) {
      if (fields === null) {
        this.#o.settleDeleted(id)
        continue
      }
      const one = leased.add(toEntry<Fields>(stream, id, fields, 1), askedAtMs, 'active')
      if (one === undefined) {
        this.#o.repeated(id, askedAtMs)
        continue
      }
      one.run = run
      one.runAt = at
      this.#o.begin(one)
    }
    const last = entries.at(-1)
    if (last !== undefined) {
      this.seenId = last[0]
      this.#hasWorked = true
    }
    if (entries.length === count) return 'full'
    if (this.#hasWorked) this.#o.onDrained()
    this.#hasWorked = false
    return last === undefined ? 'empty' : 'some'
  }
}
