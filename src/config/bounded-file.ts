import { closeSync, openSync, readSync } from 'node:fs'

const PIECE_BYTES = 64 * 1024

/** A file's bytes; undefined when there are more than `maxBytes`, whatever it is: no more of it is read. */
export function readBounded(path: string, maxBytes: number): Buffer | undefined {
  const file = openSync(path, 'r')
  try {
    const pieces: Buffer[] = []
    for (let bytes = 0; bytes <= maxBytes; ) {
      const piece = Buffer.alloc(PIECE_BYTES)
      const count = readSync(file, piece)
      if (count === 0) return Buffer.concat(pieces)
      pieces.push(piece.subarray(0, count))
      bytes += count
    }
    return undefined
  } finally {
    closeSync(file)
  }
}
