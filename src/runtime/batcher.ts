import { toError } from './errors.ts'

/** How a {@link Batcher} turns many calls into few. */
export interface BatcherOptions<Item, Result> {
  /** Does all items at once; resolves with their results in the same order. A rejection fails every item, or splits the batch. */
  run(items: readonly Item[]): Promise<readonly Result[]>
  /** Most items of one batch. */
  maxSize: number
  /** Batches under way at once; while they are, items gather. */
  maxConcurrent: number
  /**
   * Least time between the begins of two batches that are not full, in ms: under load items gather, and what comes after a
   * quiet time goes at the end of this turn of the event loop.
   */
  paceMs?: number
  /** Is one of the items to blame? Then the batch is halved until only the culprit fails. Else all fail together. */
  isItemError(error: Error): boolean
}

interface Waiting<Item, Result> {
  item: Item
  resolve(result: Result): void
  reject(error: Error): void
}

/** Items that came together: one promise for all of them. */
class Group<Result> {
  readonly #outcomes: PromiseSettledResult<Result>[]
  readonly #all = Promise.withResolvers<PromiseSettledResult<Result>[]>()
  #left: number

  constructor(size: number) {
    this.#outcomes = new Array(size)
    this.#left = size
  }

  get settled(): Promise<PromiseSettledResult<Result>[]> {
    return this.#all.promise
  }

  settle(at: number, outcome: PromiseSettledResult<Result>): void {
    this.#outcomes[at] = outcome
    this.#left -= 1
    if (this.#left === 0) this.#all.resolve(this.#outcomes)
  }
}

class Grouped<Item, Result> implements Waiting<Item, Result> {
  readonly item: Item
  readonly #group: Group<Result>
  readonly #at: number

  constructor(item: Item, group: Group<Result>, at: number) {
    this.item = item
    this.#group = group
    this.#at = at
  }

  resolve(value: Result): void {
    this.#group.settle(this.#at, { status: 'fulfilled', value })
  }

  reject(reason: Error): void {
    this.#group.settle(this.#at, { status: 'rejected', reason })
  }
}

/**
 * Coalesces calls made in the same moment into one batch: by size, by turn of the event loop, and by what gathers
 * while earlier batches are under way. Order within a batch is the order of the calls.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  #waiting: Waiting<Item, Result>[] = []
  #running = 0
  #scheduled = false
  #begunAtMs = Number.NEGATIVE_INFINITY

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options
  }

  /** Items not yet answered, those under way excluded. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves with this item's own result, rejects with the error of its batch or, after splitting, its own. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#waiting.length >= this.#options.maxSize) this.#flush()
      else this.#schedule()
    })
  }

  /** The same for many, in their order, at the cost of one promise. Never rejects. */
  addAll(items: readonly Item[]): Promise<PromiseSettledResult<Result>[]> {
    if (items.length === 0) return Promise.resolve([])
    const group = new Group<Result>(items.length)
    for (const [at, item] of items.entries()) this.#waiting.push(new Grouped(item, group, at))
    if (this.#waiting.length >= this.#options.maxSize) this.#flush()
    else this.#schedule()
    return group.settled
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const flush = () => {
      this.#scheduled = false
      this.#flush()
    }
    const { paceMs = 0 } = this.#options
    const waitMs = paceMs === 0 ? 0 : this.#begunAtMs + paceMs - performance.now()
    if (waitMs > 0) setTimeout(flush, waitMs)
    else setImmediate(flush)
  }

  #flush(): void {
    const { maxConcurrent, maxSize } = this.#options
    while (this.#running < maxConcurrent && this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxSize)
      this.#running += 1
      if (this.#options.paceMs !== undefined) this.#begunAtMs = performance.now()
      void this.#settle(batch).finally(() => {
        this.#running -= 1
        if (this.#waiting.length >= maxSize || this.#options.paceMs === undefined) this.#flush()
        else if (this.#waiting.length > 0) this.#schedule()
      })
    }
  }

  async #settle(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(waiting => waiting.item))
      if (results.length !== batch.length) throw new Error(`a batch of ${batch.length} got ${results.length} results`)
      for (const [index, waiting] of batch.entries()) waiting.resolve(results[index] as Result)
    } catch (thrown) {
      await this.#settleFailed(batch, toError(thrown))
    }
  }

  async #settleFailed(batch: readonly Waiting<Item, Result>[], error: Error): Promise<void> {
    if (batch.length === 1 || !this.#options.isItemError(error)) {
      for (const waiting of batch) waiting.reject(error)
      return
    }
    const middle = Math.ceil(batch.length / 2)
    await this.#settle(batch.slice(0, middle))
    await this.#settle(batch.slice(middle))
  }
}
