const [CR, MINUS, ZERO] = [0x0d, 0x2d, 0x30]
/** What a value is: a list, with so many values for each that it counts; a line alone; or a line with a text behind it. */
const LISTS = kinds({ '*': 1, '~': 1, '>': 1, '%': 2 })
const LINES = kinds({ '+': 1, '-': 1, ':': 1, _: 1, '#': 1, ',': 1, '(': 1 })
const TEXTS = kinds({ $: 1, '!': 1, '=': 1 })
const KNOWN = LISTS.map((parts, kind) => parts + (LINES[kind] as number) + (TEXTS[kind] as number))
/** The length of what is not there. */
const NONE = -1

/** Bytes that begin no reply. */
export class UnknownReply extends Error {}

/**
 * Finds where a reply of Redis ends (RESP2 and RESP3), and goes on where it stopped when there is more of it. Reads lengths
 * only: what lies between is skipped.
 */
export class ReplyScan {
  /** How far it has come. */
  at: number
  /** Values that are still to come; 0 at a reply's end. */
  #missing = 1

  constructor(at: number) {
    this.at = at
  }

  /** Whether the reply is there as a whole; `at` is its end then. Throws an UnknownReply. */
  isComplete(bytes: Uint8Array): boolean {
    while (this.#missing > 0) {
      const kind = bytes[this.at]
      if (kind === undefined) return false
      if (KNOWN[kind] === 0) throw new UnknownReply(`a reply of the kind ${String.fromCharCode(kind)}`)
      const afterLine = endOfLine(bytes, this.at)
      if (afterLine === -1) return false
      const length = LINES[kind] === 1 ? NONE : lengthAt(bytes, this.at + 1)
      const end = TEXTS[kind] === 1 && length !== NONE ? afterLine + length + 2 : afterLine
      if (end > bytes.length) return false
      this.at = end
      this.#missing += Math.max(0, length) * (LISTS[kind] as number) - 1
    }
    return true
  }
}

function kinds(parts: Readonly<Record<string, number>>): Uint8Array {
  const table = new Uint8Array(256)
  for (const [sign, count] of Object.entries(parts)) table[sign.charCodeAt(0)] = count
  return table
}

/** Where the next line begins, or -1. */
function endOfLine(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length - 1; at++) if (bytes[at] === CR) return at + 2
  return -1
}

/** The length that stands there. */
function lengthAt(bytes: Uint8Array, from: number): number {
  if (bytes[from] === MINUS) return NONE
  let length = 0
  for (let at = from; bytes[at] !== CR; at++) length = length * 10 + (bytes[at] as number) - ZERO
  return length
}
