import { errorLine } from '#runtime/errors.ts'
import type { StreamConnection } from './connection.ts'
import type { RawEntry } from './entry.ts'
import { removeConsumer, removeDeadConsumers, touchOwned } from './scripts.ts'

/** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
export async function ensureGroup(connection: StreamConnection, stream: string, group: string): Promise<void> {
  try {
    await connection.client.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
  } catch (error) {
    if (!errorLine(error).includes('BUSYGROUP')) throw error
  }
}

/** One consumer's raw commands on one group of one stream; no state but their names. */
export class ConsumerGroup {
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly #connection: StreamConnection

  constructor(connection: StreamConnection, names: { stream: string; group: string; consumer: string }) {
    this.#connection = connection
    this.stream = names.stream
    this.group = names.group
    this.consumer = names.consumer
  }

  get #client() {
    return this.#connection.client
  }

  /** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
  ensure(): Promise<void> {
    return ensureGroup(this.#connection, this.stream, this.group)
  }

  /** At most `count` entries that nobody was given yet. Never blocks. */
  async read(count: number): Promise<RawEntry[]> {
    const { group, consumer, stream } = this
    const reply = await this.#client.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
    return ((reply as [string, RawEntry[]][] | null)?.[0]?.[1] ?? []) as RawEntry[]
  }

  /** The last id the group was given; undefined without a group. */
  async lastDeliveredId(): Promise<string | undefined> {
    const groups = (await this.#client.xinfo('GROUPS', this.stream)) as unknown[][]
    const fields = groups.find(group => group[group.indexOf('name') + 1] === this.group)
    return fields === undefined ? undefined : (fields[fields.indexOf('last-delivered-id') + 1] as string)
  }

  /**
   * A page of this consumer's own pending entries after `afterId`, with how often each was delivered. Does not count
   * as a delivery, unlike XREADGROUP with an id.
   */
  async ownPending(afterId: string, count: number): Promise<{ id: string; deliveries: number }[]> {
    const start = afterId === '' ? '-' : `(${afterId}`
    const rows = await this.#client.xpending(this.stream, this.group, start, '+', count, this.consumer)
    return (rows as [string, string, number, number][]).map(([id, , , deliveries]) => ({ id, deliveries }))
  }

  /** How often each of the entries from `first` to `last` was delivered, of those this consumer owns. */
  async deliveries(first: string, last: string, count: number): Promise<Map<string, number>> {
    const rows = await this.#client.xpending(this.stream, this.group, first, last, count, this.consumer)
    return new Map((rows as [string, string, number, number][]).map(([id, , , deliveries]) => [id, deliveries]))
  }

  /** The bodies of entries; null fields for one that was deleted. */
  async bodies(ids: readonly string[]): Promise<RawEntry[]> {
    const pipeline = this.#client.pipeline()
    for (const id of ids) pipeline.xrange(this.stream, id, id)
    const replies = (await pipeline.exec()) ?? []
    return ids.map((id, index) => {
      const [error, found] = replies[index] ?? [new Error('no reply'), null]
      if (error !== null) throw error
      return (found as [string, string[]][])[0] ?? [id, null]
    })
  }

  /** Is any entry, of whomever, unacknowledged for that long? */
  async hasStale(minIdleMs: number): Promise<boolean> {
    const rows = await this.#client.xpending(this.stream, this.group, 'IDLE', minIdleMs, '-', '+', 1)
    return rows.length > 0
  }

  /** Takes entries idle for `minIdleMs` from whoever holds them, counting a delivery; `cursor` goes on from a call before. */
  async claim(
    minIdleMs: number,
    cursor: string,
    count: number,
  ): Promise<{ cursor: string; entries: RawEntry[]; hasGaps: boolean }> {
    const { stream, group, consumer } = this
    const reply = await this.#client.xautoclaim(stream, group, consumer, minIdleMs, cursor, 'COUNT', count)
    const [next, entries, deleted = []] = reply as [string, (RawEntry | null)[], string[]?]
    // Redis 6.2 answers a deleted entry as null, without its id: it is ours now, and a look at our own finds it.
    const alive = entries.filter((entry): entry is RawEntry => entry !== null)
    const gone = deleted.map((id): RawEntry => [id, null])
    return { cursor: next, entries: [...alive, ...gone], hasGaps: alive.length < entries.length }
  }

  /** Keeps entries alive (`beat`), counts a delivery (`count`) or gives them up (`release`); answers those still ours. */
  async touch(mode: 'beat' | 'count' | 'release', ids: readonly string[], idleMs = 0): Promise<Set<string>> {
    const owned: string[] = []
    for (let from = 0; from < ids.length; from += 500) {
      const args = [this.group, this.consumer, mode, idleMs, ...ids.slice(from, from + 500)]
      owned.push(...((await this.#connection.run(touchOwned, this.stream, args)) as string[]))
    }
    return new Set(owned)
  }

  async removeDeadConsumers(silentMs: number): Promise<number> {
    return (await this.#connection.run(removeDeadConsumers, this.stream, [
      this.group,
      this.consumer,
      silentMs,
    ])) as number
  }

  /** Gives up `ids`, so that they look idle for `idleMs`, and leaves the group unless something is still pending on it. */
  async leave(ids: readonly string[], idleMs: number): Promise<void> {
    if (ids.length > 0) await this.touch('release', ids, idleMs)
    await this.#connection.run(removeConsumer, this.stream, [this.group, this.consumer])
  }
}
