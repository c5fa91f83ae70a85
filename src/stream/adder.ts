import { Command, ReplyError } from 'ioredis'
import { errorLine } from '#runtime/errors.ts'
import { clientOf, runScript, type StreamConnection } from './connection.ts'
import { flatFields } from './entry-fields.ts'
import { StreamAddError, StreamError } from './errors.ts'
import type { StreamQueueOptions } from './queue-options.ts'
import { type Places, Room } from './room.ts'
import { addBulk } from './scripts.ts'

/** Entries of one command: bounded, so that nobody else waits long behind it. */
const MAX_ENTRIES = 500
/** Names and values of one script call; Lua hands on no more than some 8,000 of one entry. An entry of more goes alone. */
const MAX_TEXTS = 5000
/** Text of one script call, in UTF-16 units. */
const MAX_UNITS = 2 ** 20

/** The errors of ioredis that say that a command never left. */
const NEVER_SENT = /Stream isn't writeable|isn't ready and enableOfflineQueue/

export interface AdderOptions extends Pick<StreamQueueOptions, 'maxLen' | 'highWaterMark'> {
  connection: StreamConnection
}

/** Adds entries to one stream, below its bounds, and says exactly what became of them. */
export class Adder {
  readonly #stream: string
  readonly #connection: StreamConnection
  readonly #trim: readonly string[]
  readonly #maxLen: number
  readonly #room: Room | undefined

  constructor(stream: string, { connection, maxLen, highWaterMark }: AdderOptions) {
    this.#stream = stream
    this.#connection = connection
    this.#maxLen = maxLen ?? 0
    this.#trim = maxLen === undefined ? [] : ['MAXLEN', '~', String(maxLen)]
    this.#room = highWaterMark && new Room(highWaterMark, () => this.#length())
  }

  async add(fields: Readonly<Record<string, string>>): Promise<string> {
    const ids = await this.#addAll([flatFields(fields)])
    return ids[0] as string
  }

  /** All are looked at before the first is sent. */
  async addBulk(entries: readonly Readonly<Record<string, string>>[]): Promise<string[]> {
    if (!Array.isArray(entries)) throw new TypeError('entries must be an array')
    const flat = Array.from(entries, (fields, index) => flatFields(fields, `entry ${index}`))
    return flat.length === 0 ? [] : this.#addAll(flat)
  }

  /** Most entries that are ever let in at once. */
  get largestBulk(): number {
    return this.#room?.size ?? MAX_ENTRIES
  }

  /** Runs what adds `count` entries by itself, when there is room for them. Rejects with `STREAM_FULL`, or like `run`. */
  async withRoom<Result>(count: number, run: () => Promise<Result>): Promise<Result> {
    if (this.#room === undefined) return run()
    const places = await this.#take(this.#room, count, [])
    return run().finally(() => places.settle(count))
  }

  async #addAll(entries: readonly string[][]): Promise<string[]> {
    if (!this.#connection.isUsable) await this.#connection.ready()
    if (this.#room === undefined) return this.#addChunks(entries, [])
    if (entries.length <= this.#room.size) return this.#addAdmitted(entries, [], this.#room)
    // More than ever fits at once: by portions, each as soon as there is room for it.
    const ids: string[] = []
    for (let from = 0; from < entries.length; ) {
      const portion = entries.slice(from, from + Math.min(MAX_ENTRIES, this.#room.size))
      await this.#addAdmitted(portion, ids, this.#room)
      from += portion.length
    }
    return ids
  }

  async #addAdmitted(entries: readonly string[][], ids: string[], room: Room): Promise<string[]> {
    const places = await this.#take(room, entries.length, ids)
    const before = ids.length
    try {
      await this.#addChunks(entries, ids)
      places.settle(entries.length)
    } catch (error) {
      const isUncertain = error instanceof StreamAddError && error.isUncertain
      places.settle(isUncertain ? entries.length : ids.length - before)
      throw error
    }
    return ids
  }

  async #take(room: Room, count: number, added: readonly string[]): Promise<Places> {
    const places = await room.take(count).catch(cause => {
      throw this.#failed(cause, added, false)
    })
    if (places !== undefined) return places
    throw new StreamAddError('STREAM_FULL', `${this.#stream} has no room for ${count} more below ${room.size}`, {
      added,
      isUncertain: false,
    })
  }

  /** Adds `entries` in order, and their ids to `ids`. */
  async #addChunks(entries: readonly string[][], ids: string[]): Promise<string[]> {
    for (const chunk of chunksOf(entries)) {
      const [only] = chunk
      if (!this.#connection.isUsable) throw this.#failed(new Error('the connection is lost'), ids, false)
      try {
        if (chunk.length === 1 && only !== undefined) ids.push(await this.#addOne(only))
        else await this.#addMany(chunk, ids)
      } catch (cause) {
        throw cause instanceof StreamError ? cause : this.#failed(cause, ids, !wasRefused(cause))
      }
    }
    return ids
  }

  /** As one array: a call with so many arguments would not fit on the stack. */
  #addOne(flat: readonly string[]): Promise<string> {
    const args = [this.#stream, ...this.#trim, '*'].concat(flat)
    return clientOf(this.#connection).sendCommand(
      new Command('XADD', args, { replyEncoding: 'utf8' }),
    ) as Promise<string>
  }

  async #addMany(chunk: readonly string[][], ids: string[]): Promise<void> {
    const args: (string | number)[] = [this.#maxLen]
    for (const flat of chunk) args.push(flat.length, ...flat)
    const [added, refusal] = (await runScript(this.#connection, addBulk, this.#stream, args)) as [string[], string]
    ids.push(...added)
    if (refusal !== '') throw this.#failed(new ReplyError(refusal), ids, false)
  }

  async #length(): Promise<number> {
    return clientOf(this.#connection).xlen(this.#stream)
  }

  #failed(cause: unknown, added: readonly string[], isUncertain: boolean): StreamAddError {
    const message = `XADD to ${this.#stream} failed: ${errorLine(cause)}`
    return new StreamAddError('STREAM_ADD_FAILED', message, { cause, added, isUncertain })
  }
}

/** A refusal is an answer, and what never left was not added; of everything else nobody knows. */
function wasRefused(cause: unknown): boolean {
  return cause instanceof ReplyError || NEVER_SENT.test(errorLine(cause))
}

/** In order, each as much as one command may carry; an entry that is too big for a script stands alone. */
function* chunksOf(entries: readonly string[][]): Generator<string[][]> {
  let chunk: string[][] = []
  let [texts, units] = [0, 0]
  for (const flat of entries) {
    const flatUnits = flat.reduce((sum, text) => sum + text.length, 0)
    const isTooMuch = texts + flat.length > MAX_TEXTS || units + flatUnits > MAX_UNITS
    if (chunk.length > 0 && (isTooMuch || chunk.length === MAX_ENTRIES)) {
      yield chunk
      chunk = []
      ;[texts, units] = [0, 0]
    }
    chunk.push(flat)
    texts += flat.length
    units += flatUnits
  }
  if (chunk.length > 0) yield chunk
}
