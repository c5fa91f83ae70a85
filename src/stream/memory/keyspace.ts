import type { MemoryGroup } from './memory-group.ts'
import { MemoryStream } from './memory-stream.ts'
import { refusal } from './refusal.ts'

type Value = string | MemoryStream

interface Slot {
  value: Value
  /** By the server's clock, in ms; undefined: for ever. */
  expiresAtMs: number | undefined
}

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

/** The keys of one server: texts and streams, with their time to live. */
export class Keyspace {
  readonly #clock: () => number
  #slots = new Map<string, Slot>()
  /** Commands that could make it grow are refused, as by a server whose `maxmemory` is reached. */
  isFull = false

  /** @param clock the server's clock, in ms since the epoch; it may jump. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  get nowMs(): number {
    return Math.floor(this.#clock())
  }

  /** A copy of everything, to be put back by `restore`: what a replica has that is promoted later. */
  snapshot(): ReadonlyMap<string, Slot> {
    return copyOf(this.#slots)
  }

  restore(snapshot: ReadonlyMap<string, Slot>): void {
    this.#slots = copyOf(snapshot)
  }

  clear(): void {
    this.#slots.clear()
  }

  assertRoom(): void {
    if (this.isFull) throw refusal("OOM command not allowed when used memory > 'maxmemory'.")
  }

  has(key: string): boolean {
    return this.#slot(key) !== undefined
  }

  delete(key: string): boolean {
    const had = this.has(key)
    this.#slots.delete(key)
    return had
  }

  text(key: string): string | undefined {
    const value = this.#slot(key)?.value
    if (value instanceof MemoryStream) throw refusal(WRONG_TYPE)
    return value
  }

  setText(key: string, value: string, expiresAtMs?: number): void {
    this.#slots.set(key, { value, expiresAtMs })
  }

  expiresAtMs(key: string): number | undefined {
    return this.#slot(key)?.expiresAtMs
  }

  expire(key: string, atMs: number): boolean {
    const slot = this.#slot(key)
    if (slot !== undefined) slot.expiresAtMs = atMs
    return slot !== undefined
  }

  stream(key: string): MemoryStream | undefined {
    const value = this.#slot(key)?.value
    if (typeof value === 'string') throw refusal(WRONG_TYPE)
    return value
  }

  /** The stream of that name, made where there is none. */
  makeStream(key: string): MemoryStream {
    const known = this.stream(key)
    if (known !== undefined) return known
    const stream = new MemoryStream()
    this.#slots.set(key, { value: stream, expiresAtMs: undefined })
    return stream
  }

  group(key: string, name: string): MemoryGroup | undefined {
    return this.stream(key)?.groups.get(name)
  }

  #slot(key: string): Slot | undefined {
    const slot = this.#slots.get(key)
    if (slot?.expiresAtMs === undefined || slot.expiresAtMs >= this.nowMs) return slot
    this.#slots.delete(key)
    return undefined
  }
}

function copyOf(slots: ReadonlyMap<string, Slot>): Map<string, Slot> {
  const copies = [...slots].map(([key, { value, expiresAtMs }]): [string, Slot] => [
    key,
    { value: value instanceof MemoryStream ? value.copy() : value, expiresAtMs },
  ])
  return new Map(copies)
}
