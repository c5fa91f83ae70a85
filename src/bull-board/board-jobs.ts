import type { QueueJob, QueueJobJson } from '@bull-board/api/dist/types.js'
import type { PendingEntry, StoredDeadLetter, StoredEntry, StreamQueue } from '#stream/index.ts'

/** A letter's id is no entry's, though it looks like one. */
const LETTER = 'letter-'

export const isLetterJobId = (id: string) => /^letter-\d{1,20}-\d{1,20}$/.test(id)
export const letterIdOf = (jobId: string) => jobId.slice(LETTER.length)

function refused(what: string): never {
  throw new Error(`${what} is not possible: an entry goes when its handler is through`)
}

/** An entry on the stream: with a consumer, or waiting for one. */
export function entryJob(entry: StoredEntry, pending: PendingEntry | undefined): QueueJob {
  return {
    opts: {},
    toJSON: () => ({
      ...jsonOf(entry, entry.id),
      attemptsMade: Math.max(0, (pending?.deliveries ?? 0) - 1),
      processedOn: pending === undefined ? null : Date.now() - pending.idleMs,
    }),
    getState: async () => (pending === undefined ? 'waiting' : 'active'),
    retry: async () => refused('retrying'),
    promote: async () => refused('promoting'),
    remove: async () => refused('removing'),
  }
}

/** A dead letter: retrying replays it, removing discards it. */
export function letterJob(letter: StoredDeadLetter, queue: StreamQueue): QueueJob {
  return {
    opts: {},
    toJSON: () => ({
      ...jsonOf(letter, `${LETTER}${letter.id}`),
      attemptsMade: letter.deliveries,
      timestamp: Number.parseInt(letter.entryId, 10),
      finishedOn: letter.timestamp,
      failedReason: letter.reason,
    }),
    getState: async () => 'failed',
    retry: async () => {
      const { uncertain, missing } = await queue.replay(letter.id)
      if (missing.length > 0) throw new Error('it is no dead letter any more: somebody else replayed or discarded it')
      if (uncertain.length > 0)
        throw new Error('a replay of it began before and its end is not known: look whether its work was done')
    },
    promote: async () => refused('promoting'),
    remove: async () => void (await queue.discard(letter.id)),
  }
}

function jsonOf({ name, data, undecodable, timestamp }: StoredEntry, id: string): QueueJobJson {
  return {
    id,
    name,
    progress: 0,
    attemptsMade: 0,
    timestamp,
    processedOn: null,
    finishedOn: null,
    failedReason: '',
    stacktrace: [],
    data: undecodable === undefined ? shown(data) : { undecodable },
    returnvalue: null,
    opts: {},
  }
}

/** The board sends JSON, which has no `bigint`. */
function shown(data: unknown): unknown {
  return JSON.parse(JSON.stringify(data ?? null, (_key, value) => (typeof value === 'bigint' ? String(value) : value)))
}
