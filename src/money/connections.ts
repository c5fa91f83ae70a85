import { Pool } from 'undici'

/** Connections of one pool: undici looks for a free one by walking through all, twice a call. */
const GROUP_SIZE = 64

/** A part of the connections, and how many exchanges it has under way. */
export interface ConnectionGroup {
  readonly pool: Pool
  readonly size: number
  underWay: number
}

/** Keep-alive connections to one origin, in groups small enough that finding a free one costs little. */
export class Connections {
  readonly #groups: ConnectionGroup[] = []

  constructor(origin: string, connections: number, options: Omit<Pool.Options, 'connections'>) {
    for (let left = connections; left > 0; left -= GROUP_SIZE) {
      const size = Math.min(GROUP_SIZE, left)
      this.#groups.push({ pool: new Pool(origin, { ...options, connections: size }), size, underWay: 0 })
    }
  }

  /** One that has a connection free, else the one with the fewest exchanges for each connection. Counted as under way there. */
  take(): ConnectionGroup {
    let [best] = this.#groups as [ConnectionGroup, ...ConnectionGroup[]]
    for (const group of this.#groups) {
      if (group.underWay < group.size) {
        best = group
        break
      }
      if (group.underWay / group.size < best.underWay / best.size) best = group
    }
    best.underWay += 1
    return best
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#groups.map(({ pool }) => pool.destroy()))
  }
}
