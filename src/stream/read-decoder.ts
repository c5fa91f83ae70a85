import { isAscii } from 'node:buffer'
import type { RawEntry } from './entry.ts'

const [CR, MINUS, ZERO] = [0x0d, 0x2d, 0x30]
const [ARRAY, BULK, MAP] = [0x2a, 0x24, 0x25]

type Entries = readonly RawEntry[]
/** The reply to an XREADGROUP of one stream, by RESP2 or, a map there, by RESP3. */
export type ReadReply = [[stream: string, entries: Entries]] | [stream: string, entries: Entries]

/** Where the bytes are none of a read's reply. */
const OTHER = new Error('no reply to a read of one stream')

/** Decodes the whole reply to an XREADGROUP of one stream, as ioredis would; undefined where it is none. */
export function decodeRead(bytes: Buffer, from: number, end: number): ReadReply | undefined {
  try {
    return new ReadDecoder(bytes, from, end).reply()
  } catch (error) {
    if (error === OTHER) return undefined
    throw error
  }
}

class ReadDecoder {
  readonly #bytes: Buffer
  readonly #isAscii: boolean
  /** The names of the entry before: most entries of a stream have the same. */
  readonly #names: { from: number; length: number; text: string }[] = []
  #at: number

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes
    this.#at = from
    this.#isAscii = isAscii(bytes.subarray(from, end))
  }

  reply(): ReadReply {
    const isMap = this.#bytes[this.#at] === MAP
    if (this.#length(isMap ? MAP : ARRAY) !== 1 || (!isMap && this.#length(ARRAY) !== 2)) throw OTHER
    const stream = this.#text()
    const count = this.#length(ARRAY)
    const entries = new Array<RawEntry>(count)
    for (let index = 0; index < count; index++) entries[index] = this.#entry()
    return isMap ? [stream, entries] : [[stream, entries]]
  }

  #entry(): RawEntry {
    if (this.#length(ARRAY) !== 2) throw OTHER
    const id = this.#text()
    const count = this.#length(ARRAY)
    // Deleted meanwhile.
    if (count < 0) return [id, null]
    const fields = new Array<string>(count)
    for (let index = 0; index < count; index += 2) {
      fields[index] = this.#name(index >> 1)
      fields[index + 1] = this.#text()
    }
    return [id, fields]
  }

  #text(): string {
    const length = this.#length(BULK)
    const from = this.#at
    this.#at = from + length + 2
    return this.#textAt(from, length)
  }

  #name(place: number): string {
    const length = this.#length(BULK)
    const from = this.#at
    this.#at = from + length + 2
    const known = this.#names[place]
    if (known !== undefined && known.length === length && this.#isSame(known.from, from, length)) return known.text
    const text = this.#textAt(from, length)
    this.#names[place] = { from, length, text }
    return text
  }

  #isSame(left: number, right: number, length: number): boolean {
    for (let index = 0; index < length; index++)
      if (this.#bytes[left + index] !== this.#bytes[right + index]) return false
    return true
  }

  /** A copy: a part of a longer text would keep the whole of it in memory. */
  #textAt(from: number, length: number): string {
    return this.#bytes.toString(this.#isAscii ? 'latin1' : 'utf8', from, from + length)
  }

  /** The length of what begins here, which must be of that kind; -1 for nothing. */
  #length(kind: number): number {
    const bytes = this.#bytes
    if (bytes[this.#at] !== kind) throw OTHER
    let at = this.#at + 1
    let number = 0
    for (let byte = bytes[at] as number; byte !== CR; byte = bytes[++at] as number) {
      if (byte === MINUS) {
        this.#at = at + 4
        return -1
      }
      number = number * 10 + byte - ZERO
    }
    this.#at = at + 2
    return number
  }
}
