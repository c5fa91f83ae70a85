const CHUNK_BYTES = 256 * 1024

/** Lines in order, kept as bytes: no object and no string per line for the garbage collector to look at. */
export class LineStore {
  #chunks: Buffer[] = []
  #used: number[] = []

  /** `line` without its line feed. */
  append(line: string): void {
    const bytes = Buffer.byteLength(line) + 1
    let last = this.#chunks.length - 1
    if (last < 0 || (this.#used[last] ?? 0) + bytes > (this.#chunks[last]?.length ?? 0)) {
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes)))
      last = this.#used.push(0) - 1
    }
    const start = this.#used[last] ?? 0
    this.#chunks[last]?.write(`${line}\n`, start)
    this.#used[last] = start + bytes
  }

  /** Whole lines, some hundred KiB at a time, as they are now; with `filter` only the lines that contain it. */
  *read(filter?: string): Generator<Buffer> {
    for (const [index, chunk] of [...this.#chunks].entries()) {
      const bytes = chunk.subarray(0, this.#used[index])
      if (filter === undefined) yield bytes
      else yield Buffer.from(linesWith(bytes.toString(), filter))
    }
  }
}

function linesWith(text: string, filter: string): string {
  let kept = ''
  for (const line of text.split('\n')) if (line.includes(filter)) kept += `${line}\n`
  return kept
}
