import { compareIds, type StreamId } from './stream-id.ts'

interface Item {
  readonly id: StreamId
  readonly text: string
}

/** Items in the order of their ids, found by id and walked from any id on. */
export class SortedById<T extends Item> {
  #items: T[] = []
  readonly #byText = new Map<string, T>()

  constructor(items: Iterable<T> = []) {
    for (const item of items) this.add(item)
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  get last(): T | undefined {
    return this.#items.at(-1)
  }

  has(text: string): boolean {
    return this.#byText.has(text)
  }

  get(text: string): T | undefined {
    return this.#byText.get(text)
  }

  add(item: T): void {
    const { last } = this
    if (last === undefined || compareIds(last.id, item.id) < 0) this.#items.push(item)
    else this.#items.splice(this.#placeOf(item.id), 0, item)
    this.#byText.set(item.text, item)
  }

  delete(text: string): boolean {
    const item = this.#byText.get(text)
    if (item === undefined) return false
    this.#byText.delete(text)
    this.#items.splice(this.#placeOf(item.id), 1)
    return true
  }

  /** Those from `start` to `end`, both included, at most `count`; a copy. */
  range(start: StreamId, end: StreamId, count = Number.POSITIVE_INFINITY): T[] {
    const from = this.#placeOf(start)
    const found: T[] = []
    for (let at = from; at < this.#items.length && found.length < count; at++) {
      const item = this.#items[at] as T
      if (compareIds(item.id, end) > 0) break
      found.push(item)
    }
    return found
  }

  values(): Iterable<T> {
    return this.#items
  }

  /** Index of the first item whose id is not below this one. */
  #placeOf(id: StreamId): number {
    let [low, high] = [0, this.#items.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareIds((this.#items[middle] as T).id, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
