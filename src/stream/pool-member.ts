/** What the pool asks of a worker. */
export interface PoolMember {
  readonly stream: string
  /** Slots in use, those of a read under way included. */
  readonly active: number
  readonly concurrency: number
  /** Of two that want slots the one with twice the weight gets twice as many. */
  readonly weight: number
  /** Could it use a slot if the stream had something? */
  readonly canRead: boolean
  /** Entries at hand that only wait for a slot. */
  readonly ready: number
  /** Slots it could use beyond `active` while its stream has something. */
  readonly free: number
  /** Everything up to this id was delivered to the group, as far as is known. */
  readonly seenId: string
  /** Uses up to `slots`: first for what is at hand, then by one read if it may. Resolves with what the read found, if any. */
  take(slots: number, mayRead: boolean): Promise<ReadResult>
  setQueuePaused(isPaused: boolean): void
  /** After a peek that saw what others had been given: looks up how far the group is. */
  catchUp(): Promise<void>
  /** Is there anything to maintain? `isEmpty`: there is nothing on the stream that anyone could claim. */
  isDue(nowMs: number, isEmpty: boolean): boolean
  /** Heartbeats, claims, what was lost. */
  maintain(nowMs: number, isEmpty: boolean): Promise<void>
  reportError(error: Error): void
}

/** `failed`: the server refused, or did not answer. */
export type ReadResult = 'none' | 'empty' | 'some' | 'full' | 'failed'

/** What the pool knows of a member. */
export interface Watch {
  member: PoolMember
  /** The last look found something: look again as soon as there is a slot. */
  isHot: boolean
  /** Pause before the next look at an idle stream, in ms; grows. */
  pauseMs: number
  dueAtMs: number
  /** Reads under way. */
  reads: number
  readAtMs: number
  /** The last read found as many as it asked for. */
  isFull: boolean
  /** A peek that looks at it is under way. */
  isPeeked: boolean
  /** A peek has seen an entry after `seenId`. */
  isHit: boolean
  /** The last look at the whole stream found no entry, handed out or not. */
  isEmpty: boolean
  /** When it was last asked whether there is anything to maintain. */
  askedAtMs: number
}

const FIRST_PAUSE_MS = 1
/** Of one stream at once. */
const MAX_READS = 2

export function watchOf(member: PoolMember): Watch {
  const pauseMs = FIRST_PAUSE_MS
  const isFalse = { isFull: false, isPeeked: false, isHit: false, isEmpty: false }
  return { member, isHot: true, pauseMs, dueAtMs: 0, reads: 0, readAtMs: 0, askedAtMs: 0, ...isFalse }
}

/**
 * May it be read now? While a read is under way only where half of its slots are free beside those that are set aside for
 * it, and more lies ready: the server reads the next batch while this process takes the last one in.
 */
export function mayRead({ member, reads, isFull }: Watch): boolean {
  if (!member.canRead) return false
  return reads === 0 || (reads < MAX_READS && isFull && member.free * 2 >= member.concurrency)
}

/** Look again as soon as there is a slot; what was known of the stream may have changed. */
export function heat(watch: Watch): void {
  watch.isHot = true
  watch.isEmpty = false
  watch.pauseMs = FIRST_PAUSE_MS
}

/** Look again after a pause. */
export function coolDown(watch: Watch, nowMs: number, pauseMs: number, longestMs: number): void {
  watch.isHot = false
  watch.pauseMs = Math.min(longestMs, Math.max(FIRST_PAUSE_MS, pauseMs))
  watch.dueAtMs = nowMs + watch.pauseMs
}
