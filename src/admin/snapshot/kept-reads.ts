import { LRUCache } from 'lru-cache'
import { isAway } from '#admin/problem.ts'
import { CodedError } from '#runtime/errors.ts'
import { within } from '#runtime/within.ts'
import type { Sampler } from './sampler.ts'
import { type Server, type Stale, staleOf } from './stale.ts'

/** What one request for a page reads. */
export interface PageReads {
  /**
   * What `ask` returns; where the server does not answer, what it returned last for this page. Once a server and request.
   * Throws what `ask` threw where nothing is kept, or where it was no outage.
   */
  read<T>(server: Server, ask: () => Promise<T>): Promise<T>
  /** As `read`; undefined where the server does not answer and nothing is kept. */
  readIfKept<T>(server: Server, ask: () => Promise<T>): Promise<T | undefined>
  /** Whatever of it is kept from before. */
  readonly stale: readonly Stale[]
}

/** Of one page, by its path with the query. Members are masked when it is shown, so that all readers share it. */
export type KeptReads = (request: { url: string }) => PageReads

const MAX_PAGES = 200
/** How long a person waits for a server: for one that is known to be away, and for one that is not. */
const WITHIN_MS = {
  /** Then they see what is kept. */
  kept: { away: 500, answering: 3000 },
  /** Then that it cannot be shown. PostgreSQL has its own limit, and a long topic is read for a while. */
  nothing: { away: 3000, answering: 35_000 },
}

interface Kept {
  value: unknown
  readAtMs: number
}

/** Keeps what each page read last, for the time when a server is away. */
export function createKeptReads(sampler: Pick<Sampler, 'fresh'>, withinMs = WITHIN_MS): KeptReads {
  const known = new LRUCache<string, Kept>({ max: MAX_PAGES })
  return ({ url }) => {
    const stale: Stale[] = []
    const read = async <T>(server: Server, ask: () => Promise<T>): Promise<T> => {
      const key = `${server} ${url}`
      const kept = known.get(key)
      // Promotions come from the snapshot, which may be old itself.
      const told = staleOf(await sampler.fresh()).filter(one => one.server === server)
      stale.push(...told)
      const limits = kept === undefined ? withinMs.nothing : withinMs.kept
      // An answer that comes too late for this reader is kept for the next one.
      const answer = ask().then(value => {
        known.set(key, { value, readAtMs: Date.now() })
        return value
      })
      try {
        return await within(answer, told.length > 0 ? limits.away : limits.answering, () => late(server))
      } catch (error) {
        answer.catch(() => undefined)
        if (kept === undefined || !isAway(error)) throw error
        stale.push({ server, asOf: new Date(kept.readAtMs).toISOString() })
        return kept.value as T
      }
    }
    const readIfKept = <T>(server: Server, ask: () => Promise<T>) =>
      read(server, ask).catch((error: unknown) => {
        if (isAway(error)) return undefined
        throw error
      })
    return { read, readIfKept, stale }
  }
}

function late(server: Server): never {
  throw new CodedError('NO_ANSWER', `${server} does not answer in time`, { canRetry: true })
}
