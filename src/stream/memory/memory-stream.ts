import type { MemoryGroup } from './memory-group.ts'
import { SortedById } from './sorted-by-id.ts'
import { compareIds, idText, type StreamId } from './stream-id.ts'

export interface MemoryEntry {
  readonly id: StreamId
  readonly text: string
  readonly fields: readonly string[]
  /** Which of the stream's nodes it lies in: `MAXLEN ~` deletes whole nodes. */
  readonly node: number
}

/** Entries of one node, as a server's `stream-node-max-entries` has it by default. */
const NODE_ENTRIES = 100

/** One stream: entries in order, and its groups. */
export class MemoryStream {
  lastId: StreamId = { ms: 0, seq: 0 }
  readonly entries: SortedById<MemoryEntry>
  readonly groups = new Map<string, MemoryGroup>()
  #added = 0

  constructor(entries = new SortedById<MemoryEntry>()) {
    this.entries = entries
  }

  copy(): MemoryStream {
    const copy = new MemoryStream(new SortedById(this.entries.values()))
    copy.lastId = this.lastId
    copy.#added = this.#added
    for (const [name, group] of this.groups) copy.groups.set(name, group.copy())
    return copy
  }

  /** The id that XADD gives next: by the clock, unless that stands behind the last one. */
  nextId(nowMs: number): StreamId {
    const { ms, seq } = this.lastId
    return nowMs > ms ? { ms: nowMs, seq: 0 } : { ms, seq: seq + 1 }
  }

  add(id: StreamId, fields: readonly string[]): string {
    const text = idText(id)
    this.entries.add({ id, text, fields, node: Math.floor(this.#added / NODE_ENTRIES) })
    this.#added += 1
    this.lastId = id
    return text
  }

  /** What lies behind `id`, at most `count`. */
  after(id: StreamId, count: number): MemoryEntry[] {
    return this.entries.range({ ms: id.ms, seq: id.seq + 1 }, END, count)
  }

  /** Deletes the oldest beyond `length`; returns how many. */
  trim(length: number): number {
    let deleted = 0
    for (; this.entries.size > length; deleted++) this.entries.delete((this.entries.first as MemoryEntry).text)
    return deleted
  }

  /** Deletes the oldest nodes, as long as `length` entries are left and no more than `limit` go; returns how many went. */
  trimNodes(length: number, limit: number): number {
    let deleted = 0
    for (;;) {
      const node = this.entries.first?.node
      if (node === undefined) return deleted
      const oldest: MemoryEntry[] = []
      for (const entry of this.entries.values()) {
        if (entry.node !== node) break
        oldest.push(entry)
      }
      if (this.entries.size - oldest.length < length || deleted + oldest.length > limit) return deleted
      for (const { text } of oldest) this.entries.delete(text)
      deleted += oldest.length
    }
  }

  isBehind(id: StreamId): boolean {
    return compareIds(id, this.lastId) <= 0
  }
}

const END: StreamId = { ms: Number.POSITIVE_INFINITY, seq: Number.POSITIVE_INFINITY }
