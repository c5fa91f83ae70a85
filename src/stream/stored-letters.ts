import type { WireCodec } from './codec.ts'
import { clientOf, type StreamConnection } from './connection.ts'
import { LABEL_TEXTS, labelsOf } from './dead-letter.ts'
import { toEntry } from './entry.ts'
import type { Anything } from './job.ts'
import { assertFunction, assertId, assertName, assertObject } from './option-checks.ts'
import {
  MAX_PAGE,
  type Page,
  type PageOptions,
  pageFrom,
  pageOf,
  type StoredEntry,
  storedEntry,
} from './stored-entries.ts'

/** A dead letter as it lies on its stream: what the entry was, and why it was given up. `id` is the letter's own. */
export interface StoredDeadLetter<Data = Anything, Name extends string = string> extends StoredEntry<Data, Name> {
  /** The id that the entry had on its stream. */
  entryId: string
  /** The key of that stream. */
  stream: string
  /** Why it was given up, in one line; with the last error, where there was one. */
  reason: string
  /** How many times it was delivered. */
  deliveries: number
}

/** Which dead letters are meant: those for which everything holds that is said here; `{}` is all of them. */
export interface DeadLetterFilter<Data = Anything, Name extends string = string> {
  /** Its reason holds this text, or fits this expression. */
  reason?: string | RegExp
  /** The kind it was added as. */
  name?: Name
  /** It was given up before this moment, in ms since the epoch by the server's clock. */
  before?: number
  /** Whatever else there is to ask of one. One that throws ends the call with what it threw. */
  where?(letter: StoredDeadLetter<Data, Name>): boolean
}

/** A letter's raw bytes, beside what they say. */
export interface RawLetter<Data, Name extends string> {
  letter: StoredDeadLetter<Data, Name>
  /** Names and values of the entry. */
  own: readonly Buffer[]
}

type RawBuffers = [id: Buffer, fields: Buffer[] | null]

/** Throws a TypeError that names what is wrong. */
export function assertFilter(filter: DeadLetterFilter): void {
  assertObject('the filter of dead letters', filter)
  const { reason, name, before, where } = filter
  if (reason !== undefined && !(reason instanceof RegExp)) assertName('reason', reason)
  if (name !== undefined) assertName('name', name)
  if (before !== undefined && !Number.isFinite(before)) throw new TypeError('before must be a number of ms')
  if (where !== undefined) assertFunction('where', where)
}

/** Throws a TypeError: a filter with words that all say nothing would mean every letter. */
export function assertNothingElse(filter: object): void {
  const words = Object.entries(filter)
  if (words.length > 0 && words.every(([, value]) => value === undefined))
    throw new TypeError(`a filter of dead letters whose ${words[0]?.[0]} is undefined says nothing; {} means all`)
  const other = Object.keys(filter).find(word => !['reason', 'name', 'before', 'where'].includes(word))
  if (other !== undefined)
    throw new TypeError(`a filter of dead letters has reason, name, before and where, not ${other}; {} means all`)
}

/** Pure. */
export function fits<Data, Name extends string>(
  letter: StoredDeadLetter<Data, Name>,
  { reason, name, before, where }: DeadLetterFilter<Data, Name>,
): boolean {
  if (typeof reason === 'string' && !letter.reason.includes(reason)) return false
  // From its beginning, whatever a sticky or global one was used for before.
  if (reason instanceof RegExp && letter.reason.search(reason) < 0) return false
  if (name !== undefined && letter.name !== name) return false
  if (before !== undefined && letter.timestamp >= before) return false
  return where === undefined || where(letter)
}

export interface StoredLettersOptions {
  /** The stream of dead letters. */
  deadLetterStream: string
  /** Only letters of this stream are its queue's, whoever else writes to the same one. */
  stream: string
  codec: WireCodec
  ready(): Promise<StreamConnection>
}

/** Reads a queue's dead letters and changes nothing. */
export class StoredLetters<Data, Name extends string> {
  readonly #o: StoredLettersOptions

  constructor(options: StoredLettersOptions) {
    this.#o = options
  }

  /** Pages behind `after`, each with where it ends; letters of others are left out. */
  async *pages(after?: string): AsyncGenerator<{ letters: RawLetter<Data, Name>[]; lastId: string }> {
    const client = clientOf(await this.#o.ready())
    for (let start = after === undefined ? '-' : `(${after}`; ; ) {
      const page = await client.callBuffer('XRANGE', this.#o.deadLetterStream, start, '+', 'COUNT', MAX_PAGE)
      const found = page as RawBuffers[]
      const last = found.at(-1)
      if (last === undefined) return
      yield { letters: found.flatMap(raw => this.#toLetter(raw) ?? []), lastId: String(last[0]) }
      if (found.length < MAX_PAGE) return
      start = `(${String(last[0])}`
    }
  }

  async *list(filter: DeadLetterFilter<Data, Name>): AsyncGenerator<StoredDeadLetter<Data, Name>> {
    assertFilter(filter)
    for await (const { letters } of this.pages())
      for (const { letter } of letters) if (fits(letter, filter)) yield letter
  }

  async page({
    after,
    limit,
    ...filter
  }: PageOptions & DeadLetterFilter<Data, Name>): Promise<Page<StoredDeadLetter<Data, Name>>> {
    const bounds = pageOf({ ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) })
    assertFilter(filter)
    const found: StoredDeadLetter<Data, Name>[] = []
    for await (const { letters } of this.pages(after)) {
      for (const { letter } of letters) if (fits(letter, filter)) found.push(letter)
      if (found.length > bounds.limit) break
    }
    return pageFrom(found, bounds.limit, letter => letter)
  }

  /** Of those asked for, the letters that exist. */
  async find(ids: readonly string[]): Promise<RawLetter<Data, Name>[]> {
    for (const id of ids) assertId('id', id)
    const client = clientOf(await this.#o.ready())
    const found = await Promise.all(ids.map(id => client.callBuffer('XRANGE', this.#o.deadLetterStream, id, id)))
    return (found as RawBuffers[][]).flatMap(([raw]) => (raw && this.#toLetter(raw)) ?? [])
  }

  /** Undefined for what is no dead letter of this queue's stream. */
  #toLetter([rawId, flat]: RawBuffers): RawLetter<Data, Name> | undefined {
    const { codec, stream, deadLetterStream } = this.#o
    const id = String(rawId)
    const texts = (flat ?? []).map(String)
    const own = texts.slice(0, -LABEL_TEXTS)
    const last = texts.slice(own.length)
    const labels = Array.from({ length: last.length / 2 }, (_, index): [string, string] => [
      last[2 * index] as string,
      last[2 * index + 1] as string,
    ])
    try {
      const { id: entryId, ...told } = labelsOf(labels)
      if (told.stream !== stream || own.length === 0) return undefined
      const stored = storedEntry<Data, Name>(codec, id, toEntry(deadLetterStream, id, own, 0).fields)
      return { letter: { ...stored, entryId, ...told }, own: (flat ?? []).slice(0, own.length) }
    } catch {
      return undefined
    }
  }
}
