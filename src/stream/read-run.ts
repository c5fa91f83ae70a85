/**
 * The entries of one read, in the stream's order: one read is given neighbours, so that between the first and the last of
 * them there is nothing else on the stream. Once all up to one of them are acknowledged, the server may drop that whole
 * stretch, which costs it a fraction of deleting entry by entry.
 */
export class ReadRun {
  readonly #ids: readonly string[]
  readonly #isDone: Uint8Array
  #done = 0

  constructor(ids: readonly string[]) {
    this.#ids = ids
    this.#isDone = new Uint8Array(ids.length)
  }

  /** The one at that place is being acknowledged. */
  settle(at: number): void {
    this.#isDone[at] = 1
  }

  /** Does it lie in the stretch, from the first, of which all are acknowledged? */
  isInStretch(at: number): boolean {
    while (this.#isDone[this.#done] === 1) this.#done += 1
    return at < this.#done
  }

  get stretch(): Stretch {
    return { from: this.#ids[0] as string, to: this.#ids[this.#done - 1] as string }
  }
}

/** Neighbours on a stream, both ends included. */
export interface Stretch {
  from: string
  to: string
}

/** What is acknowledged by one command. */
export interface Settlement {
  ids: readonly string[]
  /** All between their ends is acknowledged, by this or before. */
  stretches: readonly Stretch[]
  /** So many of the first ids lie in them. */
  inside: number
}

export interface FromRun {
  readonly id: string
  /** What it was read with, and its place in that. */
  readonly run?: ReadRun | undefined
  readonly runAt?: number
}

/** Finds the stretches that are complete with these. */
export function settle(items: readonly FromRun[]): Settlement {
  for (const { run, runAt = 0 } of items) run?.settle(runAt)
  const [inside, outside]: [string[], string[]] = [[], []]
  const runs = new Set<ReadRun>()
  for (const { id, run, runAt = 0 } of items) {
    if (run?.isInStretch(runAt) === true) {
      runs.add(run)
      inside.push(id)
    } else outside.push(id)
  }
  return { ids: inside.concat(outside), stretches: [...runs].map(({ stretch }) => stretch), inside: inside.length }
}
