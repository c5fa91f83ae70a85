/** Where the life of a key stands. */
export const KEY_STATE = { unknown: 0, inProgress: 1, charged: 2, refused: 3 } as const

/**
 * What is known of each idempotency key, in columns: a million keys cost one map entry and 27 bytes each. `row` gives
 * the row of a key (made where it is missing); the columns are read and written by row.
 */
export class KeyTable {
  readonly #rows = new Map<string, number>()
  state = new Uint8Array(1024)
  /** Requests with this key. */
  attempts = new Uint32Array(1024)
  /** Charges applied under this key; more than one only without dedup. */
  charges = new Uint16Array(1024)
  /** HTTP status of a refusal. */
  status = new Uint16Array(1024)
  fingerprint = new Float64Array(1024)
  /** Of the first charge. */
  amount = new BigInt64Array(1024)

  row(key: string): number {
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    const row = this.#rows.size
    if (row === this.state.length) this.#grow(row * 2)
    this.#rows.set(key, row)
    return row
  }

  find(key: string): number | undefined {
    return this.#rows.get(key)
  }

  get size(): number {
    return this.#rows.size
  }

  #grow(size: number): void {
    const enlarge = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: T, to: T) => {
      to.set(from)
      return to
    }
    const amounts = new BigInt64Array(size)
    amounts.set(this.amount)
    this.amount = amounts
    this.state = enlarge(this.state, new Uint8Array(size))
    this.attempts = enlarge(this.attempts, new Uint32Array(size))
    this.charges = enlarge(this.charges, new Uint16Array(size))
    this.status = enlarge(this.status, new Uint16Array(size))
    this.fingerprint = enlarge(this.fingerprint, new Float64Array(size))
  }
}
