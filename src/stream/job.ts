import type { WireCodec } from './codec.ts'
import type { StreamEntry } from './entry.ts'

// biome-ignore lint/suspicious/noExplicitAny: as BullMQ's jobs, whose data is whatever the team's own type says.
export type Anything = any

/** One entry as handlers and listeners get it; what BullMQ calls a job. */
export class StreamJob<Data = Anything, Name extends string = string> {
  /** Redis's id, `{ms}-{sequence}`. */
  readonly id: string
  /** The stream's key. */
  readonly stream: string
  /** The kind it was added as; `__default__` where it was given none. */
  readonly name: Name
  /** What was added, decoded once. */
  readonly data: Data
  /** How many times it was handed to a consumer, this time included. */
  readonly deliveries: number

  /** Throws what the codec throws. */
  constructor({ id, stream, fields, deliveries }: StreamEntry, codec: WireCodec) {
    this.id = id
    this.stream = stream
    this.deliveries = deliveries
    this.name = codec.nameOf(fields) as Name
    this.data = codec.toData(fields) as Data
  }

  /** The same as `data`: what a flat entry's data is called in Redis. */
  get fields(): Data {
    return this.data
  }

  /** Runs before this one, as BullMQ counts them. */
  get attemptsMade(): number {
    return this.deliveries - 1
  }

  /** When it was added, by the server's clock, in ms since the epoch. */
  get timestamp(): number {
    return Number.parseInt(this.id, 10)
  }
}

/** What `add` resolves with. */
export class AddedEntry<Data = Anything, Name extends string = string> {
  /** Redis's id, `{ms}-{sequence}`. */
  readonly id: string
  readonly name: Name | undefined
  readonly data: Data

  constructor(id: string, name: Name | undefined, data: Data) {
    this.id = id
    this.name = name
    this.data = data
  }

  toString(): string {
    return this.id
  }
}
