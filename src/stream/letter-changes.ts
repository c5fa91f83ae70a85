import calculateSlot from 'cluster-key-slot'
import { Command, ReplyError } from 'ioredis'
import { errorLine } from '#runtime/errors.ts'
import type { Adder } from './adder.ts'
import { clientOf, runScript, type StreamConnection } from './connection.ts'
import { LABEL_TEXTS } from './dead-letter.ts'
import { StreamAddError } from './errors.ts'
import type { Anything } from './job.ts'
import { replayLetters } from './letter-scripts.ts'
import {
  assertFilter,
  assertNothingElse,
  type DeadLetterFilter,
  fits,
  type RawLetter,
  type StoredDeadLetter,
  type StoredLetters,
} from './stored-letters.ts'
import { replayKey } from './stream-name.ts'

/** Which dead letters: one by its id, several by theirs, or all that fit. */
export type WhichLetters<Data = Anything, Name extends string = string> =
  | string
  | readonly string[]
  | DeadLetterFilter<Data, Name>

/** What `replay` takes beside which letters are meant. */
export interface ReplayOptions {
  /** Add also those whose replay once began and whose end is not known: an entry may then be there twice. Default false. */
  again?: boolean
}

/** What became of the letters that were to be replayed. */
export interface ReplayResult {
  /** The letter is gone, and its entry on the stream again under a new id. */
  replayed: { id: string; entryId: string }[]
  /** Asked for by id, and not there: replayed or discarded by somebody else, or never there. */
  missing: string[]
  /**
   * A replay of it began before, and nobody knows whether its entry was added: the process died, or an answer was lost. The
   * letter is kept and nothing was added now; `{ again: true }` adds it. Only in a cluster, and for entries of thousands of
   * fields: everywhere else adding and removing are one step.
   */
  uncertain: string[]
}

/** What became of the letters that were to be discarded. */
export interface DiscardResult {
  /** How many are gone. */
  discarded: number
  /** Asked for by id, and not there. */
  missing: string[]
}

/** Letters of one command: bounded, so that nobody else waits long behind it. */
const BATCH = 100
/** Names and values of an entry that a script can hand on; Lua's own bound is some 8,000. */
const MAX_SCRIPT_TEXTS = 4000
/** So long it is remembered that a replay's end is not known, in ms. */
const MARK_MS = 366 * 24 * 3_600_000

export interface LetterChangesOptions<Data, Name extends string> {
  stream: string
  deadLetterStream: string
  letters: StoredLetters<Data, Name>
  adder: Pick<Adder, 'withRoom' | 'largestBulk'>
  ready(): Promise<StreamConnection>
}

/** Takes dead letters away: back to their stream, or for good. */
export class LetterChanges<Data, Name extends string> {
  readonly #o: LetterChangesOptions<Data, Name>

  constructor(options: LetterChangesOptions<Data, Name>) {
    this.#o = options
  }

  async replay(which: WhichLetters<Data, Name>, { again = false }: ReplayOptions): Promise<ReplayResult> {
    const result: ReplayResult = { replayed: [], missing: [], uncertain: [] }
    const connection = await this.#o.ready()
    try {
      for await (const { asked, found } of this.#batches(which, Math.min(BATCH, this.#o.adder.largestBulk))) {
        result.missing.push(...missingOf(asked, found))
        const [inSteps, together] = this.#split(connection, found)
        if (together.length > 0) await this.#replayTogether(connection, together, result)
        for (const raw of inSteps) await this.#replayInSteps(connection, raw, again, result)
      }
    } catch (error) {
      if (error instanceof StreamAddError) throw this.#failed(error, result, error.isUncertain)
      // Whatever went wrong: what is back by now is told.
      throw result.replayed.length > 0 ? this.#failed(error, result, false) : error
    }
    return result
  }

  async discard(which: WhichLetters<Data, Name>): Promise<DiscardResult> {
    const { deadLetterStream } = this.#o
    const result: DiscardResult = { discarded: 0, missing: [] }
    const connection = await this.#o.ready()
    const client = clientOf(connection)
    for await (const { asked, found } of this.#batches(which, BATCH)) {
      result.missing.push(...missingOf(asked, found))
      const ids = found.map(({ letter }) => letter.id)
      if (ids.length === 0) continue
      result.discarded += await client.xdel(deadLetterStream, ...ids)
      const marks = ids.map(id => replayKey(deadLetterStream, id))
      // One by one in a cluster, where they lie on different nodes.
      if (connection.isCluster) await Promise.all(marks.map(mark => client.del(mark)))
      else await client.del(...marks)
    }
    return result
  }

  /** Everything that is meant, a bounded part at a time. A filter means what is there now, not what comes meanwhile. */
  async *#batches(
    which: WhichLetters<Data, Name>,
    size: number,
  ): AsyncGenerator<{ asked: readonly string[]; found: RawLetter<Data, Name>[] }> {
    if (typeof which === 'string' || Array.isArray(which)) {
      const ids = [...new Set([which].flat() as string[])]
      for (let from = 0; from < ids.length; from += size) {
        const asked = ids.slice(from, from + size)
        yield { asked, found: await this.#o.letters.find(asked) }
      }
      return
    }
    assertFilter(which as DeadLetterFilter<Data, Name>)
    assertNothingElse(which)
    const lastId = await this.#lastId()
    for await (const { letters } of this.#o.letters.pages()) {
      const meant = letters.filter(({ letter }) => fits(letter, which as DeadLetterFilter<Data, Name>))
      const known = meant.filter(({ letter }) => !isBehind(letter, lastId))
      for (let from = 0; from < known.length; from += size) yield { asked: [], found: known.slice(from, from + size) }
      if (letters.some(({ letter }) => isBehind(letter, lastId))) return
    }
  }

  /** A letter that is replayed may come back as a new one, and must not be replayed for ever. */
  async #lastId(): Promise<string> {
    const client = clientOf(await this.#o.ready())
    const [last] = (await client.xrevrange(this.#o.deadLetterStream, '+', '-', 'COUNT', 1)) as [string, unknown][]
    return last?.[0] ?? '0-0'
  }

  /** In one step where both streams lie on one node and Lua can hand the entry on. */
  #split(connection: StreamConnection, found: readonly RawLetter<Data, Name>[]) {
    const { stream, deadLetterStream } = this.#o
    const isApart = connection.isCluster && calculateSlot(stream) !== calculateSlot(deadLetterStream)
    const isTogether = ({ own }: RawLetter<Data, Name>) => !isApart && own.length <= MAX_SCRIPT_TEXTS
    return [found.filter(raw => !isTogether(raw)), found.filter(isTogether)] as const
  }

  async #replayTogether(
    connection: StreamConnection,
    found: readonly RawLetter<Data, Name>[],
    result: ReplayResult,
  ): Promise<void> {
    const { stream, deadLetterStream, adder } = this.#o
    const ids = found.map(({ letter }) => letter.id)
    const [answers, refusal] = await adder.withRoom(ids.length, async () => {
      const args = [LABEL_TEXTS, ...ids]
      const reply = await runScript(connection, replayLetters, [deadLetterStream, stream], args).catch(cause => {
        throw this.#failed(cause, result, !(cause instanceof ReplyError))
      })
      return reply as [string[], string]
    })
    for (const [index, entryId] of answers.entries()) {
      const id = ids[index] as string
      if (entryId === '') result.missing.push(id)
      else result.replayed.push({ id, entryId })
    }
    if (refusal !== '') throw this.#failed(new Error(refusal), result, false)
  }

  /**
   * Marked, added, removed, unmarked. A crash between two of them leaves the mark: what finds it adds nothing, and says so.
   */
  async #replayInSteps(
    connection: StreamConnection,
    { letter, own }: RawLetter<Data, Name>,
    again: boolean,
    result: ReplayResult,
  ): Promise<void> {
    const { stream, deadLetterStream, adder } = this.#o
    const client = clientOf(connection)
    const mark = replayKey(deadLetterStream, letter.id)
    const isFirst = (await client.set(mark, '1', 'PX', MARK_MS, 'NX')) !== null
    if (!isFirst && !again) {
      result.uncertain.push(letter.id)
      return
    }
    // Between the look and the mark somebody else may have been through with it.
    if (isFirst && (await client.xrange(deadLetterStream, letter.id, letter.id)).length === 0) {
      result.missing.push(letter.id)
      await client.del(mark)
      return
    }
    const args: (string | Buffer)[] = [stream, '*']
    const add = new Command('XADD', args.concat(own), { replyEncoding: 'utf8' })
    const entryId = await adder
      .withRoom(1, () => client.sendCommand(add) as Promise<string>)
      .catch(async cause => {
        const wasRefused = cause instanceof ReplyError || cause instanceof StreamAddError
        if (wasRefused) await client.del(mark).catch(() => undefined)
        throw this.#failed(cause, result, !wasRefused)
      })
    result.replayed.push({ id: letter.id, entryId })
    await client.xdel(deadLetterStream, letter.id)
    await client.del(mark)
  }

  #failed(cause: unknown, { replayed }: ReplayResult, isUncertain: boolean): StreamAddError {
    // Who says that there is no room knows nothing of what was replayed before.
    if (cause instanceof StreamAddError && cause.added.length === replayed.length) return cause
    const code = cause instanceof StreamAddError && cause.code === 'STREAM_FULL' ? 'STREAM_FULL' : 'STREAM_ADD_FAILED'
    const message = `replay to ${this.#o.stream} failed: ${errorLine(cause)}`
    const added = replayed.map(({ entryId }) => entryId)
    return new StreamAddError(code, message, { cause, added, isUncertain })
  }
}

function missingOf<Data, Name extends string>(
  asked: readonly string[],
  found: readonly RawLetter<Data, Name>[],
): string[] {
  const known = new Set(found.map(({ letter }) => letter.id))
  return asked.filter(id => !known.has(id))
}

function isBehind({ id }: StoredDeadLetter, lastId: string): boolean {
  const [ms = 0n, seq = 0n] = id.split('-').map(BigInt)
  const [lastMs = 0n, lastSeq = 0n] = lastId.split('-').map(BigInt)
  return ms > lastMs || (ms === lastMs && seq > lastSeq)
}
