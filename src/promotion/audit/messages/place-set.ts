import { hash } from 'node:crypto'
import { OffsetSet } from './offset-set.ts'

/**
 * Messages by place and content: a topic that is made again uses its offsets anew. A place costs a bit, a message eight
 * bytes more (of a SHA-256: two look alike once in 2^64).
 */
export class PlaceSet {
  readonly #places = new OffsetSet()
  readonly #maxBytes: number
  #size = 0
  /** Open addressing, at most half full; 0 = free. */
  #slots = new BigUint64Array(1024)

  /** @param maxBytes how much of a value its content is. */
  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#size
  }

  /** `content` = the SHA-256 of the value, in hex. Adding twice changes nothing. */
  add(topic: string, partition: number, offset: string, content: string): void {
    this.#places.add(topic, partition, offset)
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    this.#insert(identity(topic, partition, offset, content))
  }

  has(topic: string, partition: number, offset: string, value: Buffer | null): boolean {
    if (!this.#places.has(topic, partition, offset)) return false
    const entry = identity(topic, partition, offset, this.contentOf(value))
    return this.#slots[this.#slotOf(entry)] === entry
  }

  /** As `add` takes it. */
  contentOf(value: Buffer | null): string {
    return hash('sha256', (value ?? Buffer.alloc(0)).subarray(0, this.#maxBytes), 'hex')
  }

  #insert(entry: bigint): void {
    const slot = this.#slotOf(entry)
    if (this.#slots[slot] === entry) return
    this.#slots[slot] = entry
    this.#size += 1
  }

  #slotOf(entry: bigint): number {
    const mask = this.#slots.length - 1
    let slot = Number(entry & 0xffff_ffffn) & mask
    while (this.#slots[slot] !== 0n && this.#slots[slot] !== entry) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const entries = this.#slots.filter(entry => entry !== 0n)
    this.#slots = new BigUint64Array(this.#slots.length * 2)
    this.#size = 0
    for (const entry of entries) this.#insert(entry)
  }
}

function identity(topic: string, partition: number, offset: string, content: string): bigint {
  const digest = hash('sha256', JSON.stringify([topic, partition, offset, content]), 'buffer')
  return digest.readBigUInt64LE(0) || 1n
}
