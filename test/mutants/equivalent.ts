import type { Mutant } from './draw.ts'

/** A change that no test can notice, because the product does the same with it. */
interface Equivalent {
  file: string
  /** The line as it stands, without the white space around it. */
  line: string
  before: string
  after: string
  why: string
}

/** These are not counted. `npm test` tells which of them stand for no mutant any more. */
export const EQUIVALENT: readonly Equivalent[] = [
  {
    file: 'src/database/gifts/gift-pages.ts',
    line: 'let left = isFiltered ? MAX_LOOKED_AT : query.limit',
    before: 'isFiltered',
    after: 'true',
    why: 'without a filter the first look finds the whole page, or the end',
  },
  {
    file: 'src/money/http.ts',
    line: "signal.addEventListener('abort', () => exchanges.forEach(exchange => void exchange.abort()), { once: true })",
    before: 'true',
    after: 'false',
    why: 'a signal aborts once: `once` only frees the listener',
  },
  {
    file: 'src/stream/fair-share.ts',
    line: '.filter(({ wants }) => wants > 0)',
    before: '>',
    after: '>=',
    why: 'who wants nothing is given nothing, and falls out after the first round',
  },
  {
    file: 'src/stream/connection.ts',
    line: 'autoResendUnfulfilledCommands: false,',
    before: 'false',
    after: 'true',
    why: 'ioredis resends what `maxRetriesPerRequest: 0` has left of it, and that is nothing',
  },
  {
    file: 'src/database/gifts/refill-rows.ts',
    line: "if (rows.length === 0) return { kind: 'taken', rows: 0, limit, lastId: afterId }",
    before: 'rows.length === 0',
    after: 'false',
    why: 'an update of no row changes none, and the outcome is the same: only dearer',
  },
  {
    file: 'src/listeners/retry-listener.ts',
    line: '...(notBefore === undefined ? {} : { notBefore }),',
    before: 'notBefore === undefined',
    after: 'false',
    why: 'a job is kept as JSON, which leaves out what is undefined',
  },
  {
    file: 'src/promotion/audit/audit.ts',
    line: 'if (promotionIds.length === 0) return',
    before: 'promotionIds.length === 0',
    after: 'false',
    why: 'of none asked for none is unknown: only slower',
  },
  {
    file: 'src/promotion/intake/gift-message.ts',
    line: "if (typeof value !== 'object' || value === null) return undefined",
    before: '!==',
    after: '===',
    why: 'what is not told without the schema is told by it, and the same: only slower',
  },
  {
    file: 'src/promotion/payment/retry-jobs.ts',
    line: "queue.on('error', () => undefined)",
    before: "queue.on('error', () => undefined)",
    after: ';',
    why: 'BullMQ catches an event that nobody hears, and prints it',
  },
  {
    file: 'src/promotion/seal/seal.ts',
    line: 'if ((await listToSeal(kysely, 1)).length === 0) return',
    before: '(await listToSeal(kysely, 1)).length === 0',
    after: 'false',
    why: 'it finds nothing to seal behind the lock too: only dearer',
  },
  {
    file: 'src/promotion/upkeep/upkeep.ts',
    line: 'if (!hasTime() || performance.now() > endMs) return',
    before: '>',
    after: '>=',
    why: 'a clock of microseconds does not stand at that very moment',
  },
  {
    file: 'src/stream/adder.ts',
    line: 'if (!this.#connection.isUsable) await this.#connection.ready()',
    before: '!this.#connection.isUsable',
    after: 'true',
    why: 'of one that is usable `ready` is done: only slower',
  },
  {
    file: 'src/stream/adder.ts',
    line: 'if (chunk.length > 0) yield chunk',
    before: 'chunk.length > 0',
    after: 'true',
    why: 'nobody comes without an entry',
  },
  {
    file: 'src/stream/codec.ts',
    line: "export type CodecName<Data> = 'json' | 'exact-json' | (IsFlat<Data> extends true ? 'flat' : never)",
    before: 'true',
    after: 'false',
    why: 'a type: nothing of it runs',
  },
  {
    file: 'src/stream/codec.ts',
    line: 'type IsFlat<Data> = [Data] extends [{ [Name in keyof Data]: string | undefined }] ? true : false',
    before: 'true',
    after: 'false',
    why: 'a type: nothing of it runs',
  },
  {
    file: 'src/stream/codec.ts',
    line: 'type IsFlat<Data> = [Data] extends [{ [Name in keyof Data]: string | undefined }] ? true : false',
    before: 'false',
    after: 'true',
    why: 'a type: nothing of it runs',
  },
  {
    file: 'src/stream/fast-reads.ts',
    line: 'if (from === bytes.length) this.#begun = undefined',
    before: 'from === bytes.length',
    after: 'false',
    why: 'a reply that has begun with no byte is none',
  },
  {
    file: 'src/stream/group.ts',
    line: 'if (ids.length === 0) return []',
    before: 'ids.length === 0',
    after: 'false',
    why: 'of no entry nothing is asked, and nothing found',
  },
  {
    file: 'src/stream/letter-bounds.ts',
    line: 'export function letterBoundsOf(value: number | false | LetterBounds | undefined): ResolvedLetterBounds {',
    before: 'false',
    after: 'true',
    why: 'a type: nothing of it runs',
  },
  {
    file: 'src/stream/letter-changes.ts',
    line: 'for (let from = 0; from < ids.length; from += size) {',
    before: '<',
    after: '<=',
    why: 'a batch of none changes nothing',
  },
  {
    file: 'src/stream/letter-changes.ts',
    line: 'for (let from = 0; from < known.length; from += size) yield { asked: [], found: known.slice(from, from + size) }',
    before: '<',
    after: '<=',
    why: 'a batch of none changes nothing',
  },
  {
    file: 'src/stream/memory/memory-scripts.ts',
    line: "if (entries.length > 0) call(keys, 'XDEL', key, ...entries.map(([id]) => id))",
    before: '>',
    after: '>=',
    why: 'an XDEL of nothing deletes nothing',
  },
  {
    file: 'src/stream/pool.ts',
    line: '#isAnyKept = true',
    before: 'true',
    after: 'false',
    why: 'the first pass sets it, before a round of upkeep ends',
  },
  {
    file: 'src/stream/pool.ts',
    line: 'if (wants > 0) claimants.push({ watch, active, wants, weight })',
    before: '>',
    after: '>=',
    why: 'who wants no slot is given none: only slower',
  },
  {
    file: 'src/stream/read-decoder.ts',
    line: 'if (error === OTHER) return undefined',
    before: 'error === OTHER',
    after: 'true',
    why: 'of a reply that is there as a whole nothing else is thrown',
  },
  {
    file: 'src/stream/read-decoder.ts',
    line: 'this.#isAscii = isAscii(bytes.subarray(from, end))',
    before: 'this.#isAscii = isAscii(bytes.subarray(from, end))',
    after: ';',
    why: 'ASCII is UTF-8 too: only slower',
  },
  {
    file: 'src/stream/read-decoder.ts',
    line: 'this.#names[place] = { from, length, text }',
    before: 'this.#names[place] = { from, length, text }',
    after: ';',
    why: 'each name is made anew: only slower',
  },
  {
    file: 'src/stream/read-decoder.ts',
    line: 'for (let index = 0; index < length; index++)',
    before: '<',
    after: '<=',
    why: 'behind each name the line ends',
  },
  {
    file: 'src/stream/read-decoder.ts',
    line: 'if (this.#bytes[left + index] !== this.#bytes[right + index]) return false',
    before: 'this.#bytes[left + index] !== this.#bytes[right + index]',
    after: 'true',
    why: 'each name is made anew: only slower',
  },
  {
    file: 'src/stream/reply-scan.ts',
    line: 'const KNOWN = LISTS.map((parts, kind) => parts + (LINES[kind] as number) + (TEXTS[kind] as number))',
    before: '+',
    after: '-',
    why: 'a kind stands in one table, and all that is asked is whether it stands in none',
  },
  {
    file: 'src/stream/reply-scan.ts',
    line: 'for (let at = from; at < bytes.length - 1; at++) if (bytes[at] === CR) return at + 2',
    before: '-',
    after: '+',
    why: 'a line that ends behind the bytes is as missing as one that does not end',
  },
  {
    file: 'src/stream/worker.ts',
    line: "else if (this.hears(event)) this.#tellOfJob(event, ...(payload as EntryEvents<Record<string, string>>['completed']))",
    before: 'this.hears(event)',
    after: 'true',
    why: 'it makes a job for an event that nobody hears: only slower',
  },
]

export function isEquivalent({ file, lineText, before, after }: Mutant): boolean {
  return EQUIVALENT.some(
    known => known.file === file && known.line === lineText && known.before === before.trim() && known.after === after,
  )
}
