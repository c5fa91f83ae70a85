const PAGE_BITS = 16
const PAGE_SIZE = 1 << PAGE_BITS
const PAGE_MASK = BigInt(PAGE_SIZE - 1)

/** Records by topic, partition and offset, a bit each: only the neighbourhoods that hold one cost memory (8 KiB). */
export class OffsetSet {
  readonly #pages = new Map<string, Uint8Array>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adding twice changes nothing. */
  add(topic: string, partition: number, offset: string): void {
    const exact = BigInt(offset)
    const name = pageName(topic, partition, exact)
    let page = this.#pages.get(name)
    if (page === undefined) {
      page = new Uint8Array(PAGE_SIZE / 8)
      this.#pages.set(name, page)
    }
    const bit = Number(exact & PAGE_MASK)
    const byte = page[bit >> 3] ?? 0
    if ((byte & (1 << (bit & 7))) !== 0) return
    page[bit >> 3] = byte | (1 << (bit & 7))
    this.#size += 1
  }

  has(topic: string, partition: number, offset: string): boolean {
    if (this.#size === 0) return false
    const exact = BigInt(offset)
    const bit = Number(exact & PAGE_MASK)
    return ((this.#pages.get(pageName(topic, partition, exact))?.[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  }
}

function pageName(topic: string, partition: number, offset: bigint): string {
  return `${topic}/${partition}/${offset >> BigInt(PAGE_BITS)}`
}
