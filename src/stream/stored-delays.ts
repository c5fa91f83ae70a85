import { clientOf, type StreamConnection } from './connection.ts'
import { delayKey } from './stream-name.ts'

/** Shorter delays are not worth a command: they may be lost with their process. */
export const MIN_STORED_DELAY_MS = 1000
/** A longer delay is asked for again after a restart, once a year. */
const MAX_STORED_DELAY_MS = 366 * 24 * 3_600_000

/**
 * Until when an entry waits whose handler said «not now», in a key beside the stream that goes when the time has come:
 * whoever takes the entry over after a restart waits for the rest of it. What is lost here costs an early try, nothing
 * else.
 */
export class StoredDelays {
  readonly #connection: StreamConnection
  readonly #stream: string
  readonly #onError: (error: unknown) => void

  constructor(connection: StreamConnection, stream: string, onError: (error: unknown) => void) {
    this.#connection = connection
    this.#stream = stream
    this.#onError = onError
  }

  get #client() {
    return clientOf(this.#connection)
  }

  store(id: string, delayMs: number): void {
    const lastsMs = Math.ceil(Math.min(delayMs, MAX_STORED_DELAY_MS))
    this.#client.set(delayKey(this.#stream, id), '1', 'PX', lastsMs).catch(this.#onError)
  }

  forget(id: string): void {
    this.#client.del(delayKey(this.#stream, id)).catch(this.#onError)
  }

  /** How long each must still wait, in ms; those that need not are not in it. Without an answer none must. */
  async restOf(ids: readonly string[]): Promise<Map<string, number>> {
    const rest = new Map<string, number>()
    try {
      const answers = await Promise.all(ids.map(id => this.#client.pttl(delayKey(this.#stream, id))))
      for (const [index, id] of ids.entries()) {
        const restMs = answers[index] ?? 0
        if (restMs > 0) rest.set(id, restMs)
      }
    } catch (error) {
      this.#onError(error)
    }
    return rest
  }
}
