/** So many different gifts at least, and more than this share of them: it is not the gifts. */
const MIN_GIFTS = 20
const SHARE = 0.8
const SIZE = 100

/** Were the last gifts' first POSTs refused (401, 403)? One gift has one first POST. */
export class FirstPosts {
  readonly #refused: boolean[] = []

  /** @returns whether this one makes it our credentials' fault. */
  add(isRefused: boolean): boolean {
    this.#refused.push(isRefused)
    if (this.#refused.length > SIZE) this.#refused.shift()
    if (!isRefused || this.#refused.length < MIN_GIFTS) return false
    return this.#refused.filter(Boolean).length > SHARE * this.#refused.length
  }
}
