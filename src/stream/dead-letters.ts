import type { Anything } from './job.ts'
import type { Page, PageOptions } from './stored-entries.ts'
import type { DeadLetterFilter, StoredDeadLetter, StoredLetters } from './stored-letters.ts'

/**
 * A queue's dead letters, for whoever looks at them: those of its own stream, oldest first. Nothing here changes anything;
 * `queue.replay` and `queue.discard` do. What is written or removed meanwhile may or may not be seen.
 */
export class DeadLetters<Data = Anything, Name extends string = string> {
  readonly #stored: StoredLetters<Data, Name>
  readonly #count: () => Promise<number>

  /** @internal */
  constructor(stored: StoredLetters<Data, Name>, count: () => Promise<number>) {
    this.#stored = stored
    this.#count = count
  }

  /** Every one that fits, read in bounded pages. Throws a TypeError for a filter that is none. */
  list(filter: DeadLetterFilter<Data, Name> = {}): AsyncGenerator<StoredDeadLetter<Data, Name>> {
    return this.#stored.list(filter)
  }

  /** At most `limit` that fit. Rejects with a TypeError for options that cannot be meant. */
  page(options: PageOptions & DeadLetterFilter<Data, Name> = {}): Promise<Page<StoredDeadLetter<Data, Name>>> {
    return this.#stored.page(options)
  }

  /** The one with this id, which is the letter's own; undefined where there is none. */
  async get(id: string): Promise<StoredDeadLetter<Data, Name> | undefined> {
    const [found] = await this.#stored.find([id])
    return found?.letter
  }

  /** How many lie on the stream of dead letters, other queues' included where several write to one. O(1). */
  count(): Promise<number> {
    return this.#count()
  }
}
