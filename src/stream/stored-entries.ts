import { errorLine } from '#runtime/errors.ts'
import type { WireCodec } from './codec.ts'
import { clientOf, type StreamConnection } from './connection.ts'
import { type RawEntry, toEntry } from './entry.ts'
import { isNoGroup } from './errors.ts'
import type { Anything } from './job.ts'
import { assertId, assertName, assertWhole } from './option-checks.ts'

/** An entry as it lies on a stream, for whoever looks at it. */
export interface StoredEntry<Data = Anything, Name extends string = string> {
  /** Redis's id, `{ms}-{sequence}`. */
  id: string
  /** The kind it was added as; `__default__` where it was given none. */
  name: Name
  /** What was added, decoded; undefined where the codec threw. */
  data: Data | undefined
  /** Why `data` could not be decoded, in one line; undefined where it could. */
  undecodable: string | undefined
  /** When it was added, by the server's clock, in ms since the epoch. */
  timestamp: number
}

/** Where a page begins, and how much it may hold. */
export interface PageOptions {
  /** The page begins behind this id: the `next` of the page before. Default: at the beginning. */
  after?: string
  /** Most entries of the page, 1 to 1,000. Default 100. */
  limit?: number
}

/** A part of a stream, oldest first. */
export interface Page<Item> {
  /** At most `limit` of them. */
  items: Item[]
  /** Give this as `after` for the next page; undefined: there is none. */
  next: string | undefined
}

/** An entry that was handed to a consumer and is not acknowledged. */
export interface PendingEntry {
  /** Redis's id, `{ms}-{sequence}`. */
  id: string
  /** The consumer that it was handed to last. */
  consumer: string
  /** Since it was handed out, or its consumer last renewed it, in ms. */
  idleMs: number
  /** How many times it was delivered. */
  deliveries: number
}

/** Which pending entries are looked at. */
export interface PendingOptions extends PageOptions {
  /** Only this entry. */
  id?: string
  /** Only what this consumer holds. */
  consumer?: string
}

/** What a group has pending, in one look. */
export interface PendingSummary {
  /** How many entries. */
  count: number
  /** The oldest one's id; undefined where there is none. */
  oldestId: string | undefined
  /** The newest one's id. */
  newestId: string | undefined
  /** Consumers that hold something, and how many entries. */
  consumers: { name: string; count: number }[]
}

const DEFAULT_LIMIT = 100
/** Entries of one page: nobody waits long behind it. */
export const MAX_PAGE = 1000

/** Throws a TypeError that names what is wrong. */
export function pageOf({ after, limit = DEFAULT_LIMIT }: PageOptions): { start: string; limit: number } {
  if (after !== undefined) assertId('after', after)
  assertWhole('limit', limit, 1, MAX_PAGE)
  return { start: after === undefined ? '-' : `(${after}`, limit }
}

/** A page of what was read with one entry more than it may hold. */
export function pageFrom<Raw, Item extends { id: string }>(
  found: readonly Raw[],
  limit: number,
  toItem: (raw: Raw) => Item,
): Page<Item> {
  const items = found.slice(0, limit).map(toItem)
  return { items, next: found.length > limit ? items.at(-1)?.id : undefined }
}

/** Reads one stream and changes nothing. `ready` resolves with a connection that is there. */
export class StoredEntries<Data, Name extends string> {
  readonly #stream: string
  readonly #group: string
  readonly #codec: WireCodec
  readonly #ready: () => Promise<StreamConnection>

  constructor(stream: string, group: string, codec: WireCodec, ready: () => Promise<StreamConnection>) {
    this.#stream = stream
    this.#group = group
    this.#codec = codec
    this.#ready = ready
  }

  async #client() {
    return clientOf(await this.#ready())
  }

  async page(options: PageOptions): Promise<Page<StoredEntry<Data, Name>>> {
    const { start, limit } = pageOf(options)
    const client = await this.#client()
    const found = (await client.xrange(this.#stream, start, '+', 'COUNT', limit + 1)) as RawEntry[]
    return pageFrom(found, limit, ([id, fields]) => this.#toStored(id, fields ?? []))
  }

  async get(ids: readonly string[]): Promise<StoredEntry<Data, Name>[]> {
    return (await this.#find(ids)).map(([id, fields]) => this.#toStored(id, fields))
  }

  async has(ids: readonly string[]): Promise<Set<string>> {
    return new Set((await this.#find(ids)).map(([id]) => id))
  }

  async #find(ids: readonly string[]): Promise<[string, string[]][]> {
    for (const id of ids) assertId('id', id)
    const pipeline = (await this.#client()).pipeline()
    for (const id of ids) pipeline.xrange(this.#stream, id, id)
    const replies = (await pipeline.exec()) ?? []
    return replies.flatMap(([error, entries]) => {
      if (error !== null) throw error
      return entries as [string, string[]][]
    })
  }

  async *entries(): AsyncGenerator<Data> {
    const client = await this.#client()
    for (let start = '-'; ; ) {
      const found = (await client.xrange(this.#stream, start, '+', 'COUNT', MAX_PAGE)) as RawEntry[]
      for (const [id, fields] of found)
        yield this.#codec.toData(toEntry(this.#stream, id, fields ?? [], 0).fields) as Data
      if (found.length < MAX_PAGE) return
      start = `(${found.at(-1)?.[0]}`
    }
  }

  async pending({ id, consumer, ...page }: PendingOptions): Promise<PendingEntry[]> {
    const { start, limit } = pageOf(page)
    if (id !== undefined) assertId('id', id)
    if (consumer !== undefined) assertName('consumer', consumer)
    const [first, last, count] = id === undefined ? [start, '+', limit] : [id, id, 1]
    const client = await this.#client()
    const [stream, group] = [this.#stream, this.#group]
    const asked =
      consumer === undefined
        ? client.xpending(stream, group, first, last, count)
        : client.xpending(stream, group, first, last, count, consumer)
    const rows = await withoutGroup(asked, [])
    return (rows as [string, string, number, number][]).map(([entryId, holder, idleMs, deliveries]) => ({
      id: entryId,
      consumer: holder,
      idleMs,
      deliveries,
    }))
  }

  async pendingSummary(): Promise<PendingSummary> {
    const client = await this.#client()
    const [count, oldestId, newestId, consumers] = (await withoutGroup(client.xpending(this.#stream, this.#group), [
      0,
      null,
      null,
      null,
    ])) as [number, string | null, string | null, [string, string][] | null]
    return {
      count,
      oldestId: oldestId ?? undefined,
      newestId: newestId ?? undefined,
      consumers: (consumers ?? []).map(([name, leased]) => ({ name, count: Number(leased) })),
    }
  }

  #toStored(id: string, flat: readonly string[]): StoredEntry<Data, Name> {
    return storedEntry(this.#codec, id, toEntry(this.#stream, id, flat, 0).fields)
  }
}

/** An entry that nobody can decode is shown as what it is, and hides none of the others. */
export function storedEntry<Data, Name extends string>(
  codec: WireCodec,
  id: string,
  fields: Readonly<Record<string, string>>,
): StoredEntry<Data, Name> {
  const timestamp = Number.parseInt(id, 10)
  const name = codec.nameOf(fields) as Name
  try {
    return { id, name, data: codec.toData(fields) as Data, undecodable: undefined, timestamp }
  } catch (error) {
    return { id, name, data: undefined, undecodable: errorLine(error), timestamp }
  }
}

/** Without a group nothing can be pending. */
async function withoutGroup<Reply>(asked: Promise<Reply>, nothing: Reply): Promise<Reply> {
  try {
    return await asked
  } catch (error) {
    if (isNoGroup(error)) return nothing
    throw error
  }
}
