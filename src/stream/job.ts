import type { WireCodec } from './codec.ts'
import type { StreamEntry } from './entry.ts'
import { type LeftOutOf, leaveOut } from './left-out.ts'
import { JOB_METHODS, JOB_PROPERTIES, JOB_STATICS } from './left-out-words.ts'

// biome-ignore lint/suspicious/noExplicitAny: as BullMQ's jobs, whose data is whatever the team's own type says.
export type Anything = any

/** What BullMQ's Job can and this one leaves out: each throws a sentence that says what to use. */
// biome-ignore lint/correctness/noUnusedVariables: an interface that merges has its class’s parameters.
export interface StreamJob<Data, Name extends string> extends LeftOutOf<typeof JOB_METHODS & typeof JOB_PROPERTIES> {}

/** One entry as handlers and listeners get it; what BullMQ calls a job. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface adds only words that throw.
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
  #isRunOver = false

  /** @internal Throws what the codec throws. */
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

  /** Runs that are over, as BullMQ counts them: without this one in the handler, with it in `completed` and `failed`. */
  get attemptsMade(): number {
    return this.#isRunOver ? this.deliveries : this.deliveries - 1
  }

  /** @internal Its run has ended, well or badly. */
  endRun(): void {
    this.#isRunOver = true
  }

  /** When it was added, by the server's clock, in ms since the epoch. */
  get timestamp(): number {
    return Number.parseInt(this.id, 10)
  }
}

leaveOut(StreamJob.prototype, JOB_METHODS, JOB_PROPERTIES)
leaveOut(StreamJob, JOB_STATICS)

/** What `add` resolves with. */
export class AddedEntry<Data = Anything, Name extends string = string> {
  /** Redis's id, `{ms}-{sequence}`. */
  readonly id: string
  /** The kind it was added as, if it was given one. */
  readonly name: Name | undefined
  /** What was added. */
  readonly data: Data

  /** @internal */
  constructor(id: string, name: Name | undefined, data: Data) {
    this.id = id
    this.name = name
    this.data = data
  }

  /** Its id. */
  toString(): string {
    return this.id
  }
}
