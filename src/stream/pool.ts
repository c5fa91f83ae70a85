import { ReplyError } from 'ioredis'
import { toError } from '#runtime/errors.ts'
import type { StreamConnection } from './connection.ts'
import { shareFairly } from './fair-share.ts'
import { pausedKey } from './queue.ts'

export interface StreamPoolOptions {
  connection: StreamConnection
  /** Handlers at once, over all workers of the pool. */
  maxInFlight: number
  /** Longest pause between two looks at an idle stream, in ms. Default 50. */
  pollIntervalMs?: number
}

/** What the pool asks of a worker. */
export interface PoolMember {
  readonly stream: string
  /** Slots in use, those of a read under way included. */
  readonly active: number
  readonly concurrency: number
  /** Could it use a slot if the stream had something? */
  readonly canRead: boolean
  /** Entries at hand that only wait for a slot. */
  readonly ready: number
  /** Slots it could use beyond `active` while its stream has something. */
  readonly free: number
  /** Everything up to this id was delivered to the group, as far as is known. */
  readonly seenId: string
  /** Uses up to `slots`: first for what is at hand, then by one read. Resolves with what the read found, if any. */
  take(slots: number): Promise<ReadResult>
  setQueuePaused(isPaused: boolean): void
  /** Heartbeats, claims, what was lost: called a few times a second. */
  maintain(nowMs: number): Promise<void>
  reportError(error: Error): void
}

export type ReadResult = 'none' | 'empty' | 'some' | 'full'

interface Watch {
  member: PoolMember
  /** The last look found something: look again as soon as there is a slot. */
  isHot: boolean
  /** Pause before the next look at an idle stream; grows. */
  pauseMs: number
  dueAtMs: number
  isReading: boolean
  readAtMs: number
}

const FIRST_PAUSE_MS = 1
/** After a read that emptied the stream: what trickles in is read in small batches, not one by one. */
const DRAINED_PAUSE_MS = 5
/** Slots that trickle free gather this long, unless an eighth of them is free already. */
const GATHER_MS = 2
const MAINTAIN_INTERVAL_MS = 250
const PAUSE_CHECK_INTERVAL_MS = 500
/** Most streams of one peek. */
const PEEK_BATCH = 500

/**
 * The one fetcher of a process: shares its slots fairly between the workers' streams, reads where there is work, and
 * watches idle streams with one multi-key XREAD as a peek (in a cluster, where a command may touch one key only, with
 * one read each). Never blocks, never reads more than there are free slots.
 */
export class StreamPool {
  readonly #options: StreamPoolOptions
  readonly #watches = new Map<PoolMember, Watch>()
  readonly #pollIntervalMs: number
  #turnScheduled = false
  #pollTimer: NodeJS.Timeout | undefined
  #pollDueAtMs = Number.POSITIVE_INFINITY
  #maintainTimer: NodeJS.Timeout | undefined
  #pausesCheckedAtMs = 0
  #isPeeking = false
  #gatherTimer: NodeJS.Timeout | undefined

  constructor(options: StreamPoolOptions) {
    this.#options = options
    this.#pollIntervalMs = options.pollIntervalMs ?? 50
  }

  /** Workers join and leave while others run. */
  add(member: PoolMember): void {
    this.#watches.set(member, {
      member,
      isHot: true,
      pauseMs: FIRST_PAUSE_MS,
      dueAtMs: 0,
      isReading: false,
      readAtMs: 0,
    })
    this.#maintainTimer ??= setInterval(() => void this.#maintain(), MAINTAIN_INTERVAL_MS)
    this.#scheduleTurn()
  }

  remove(member: PoolMember): void {
    this.#watches.delete(member)
    if (this.#watches.size > 0) return
    clearInterval(this.#maintainTimer)
    clearTimeout(this.#pollTimer)
    clearTimeout(this.#gatherTimer)
    this.#gatherTimer = undefined
    this.#maintainTimer = undefined
    this.#pollDueAtMs = Number.POSITIVE_INFINITY
  }

  /** A slot has become free, or there is something to do at once. */
  wake(member: PoolMember, isHot = false): void {
    const watch = this.#watches.get(member)
    if (watch === undefined) return
    if (isHot) this.#heat(watch)
    this.#scheduleTurn()
  }

  async close(): Promise<void> {
    for (const { member } of this.#watches.values()) this.remove(member)
  }

  #heat(watch: Watch): void {
    watch.isHot = true
    watch.pauseMs = FIRST_PAUSE_MS
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    // What becomes free in the same turn of the event loop is one read, not many.
    setImmediate(() => {
      this.#turnScheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    const watches = [...this.#watches.values()]
    let active = 0
    for (const { member } of watches) active += member.active
    const claimants = watches.map(({ member, isHot, isReading }) => ({
      active: member.active,
      wants: Math.min(member.free, isHot && !isReading && member.canRead ? member.free : member.ready),
    }))
    const grants = shareFairly(this.#options.maxInFlight - active, claimants)
    for (const [index, watch] of watches.entries()) {
      const slots = grants[index] as number
      if (slots > 0) void this.#take(watch, slots)
    }
    this.#schedulePoll()
  }

  /** Too few slots, too soon after the last read: a moment later one read serves many of them. */
  #isTooSoon({ member, readAtMs }: Watch, slots: number): boolean {
    if (slots * 8 >= Math.min(member.concurrency, this.#options.maxInFlight)) return false
    if (performance.now() - readAtMs >= GATHER_MS) return false
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined
      this.#turn()
    }, GATHER_MS)
    return true
  }

  async #take(watch: Watch, slots: number): Promise<void> {
    const { member } = watch
    const reads = watch.isHot && !watch.isReading && member.canRead && !this.#isTooSoon(watch, slots - member.ready)
    if (reads) {
      watch.isReading = true
      watch.readAtMs = performance.now()
    }
    const result = await member.take(reads ? slots : Math.min(slots, member.ready))
    if (!reads) return
    watch.isReading = false
    this.#learn(watch, result)
  }

  #learn(watch: Watch, result: ReadResult): void {
    if (result === 'full') this.#heat(watch)
    else if (result === 'some') {
      this.#heat(watch)
      // The stream was drained by this read: what comes next comes in a moment, not in this one.
      this.#coolDown(watch, DRAINED_PAUSE_MS)
    } else if (result === 'empty') this.#coolDown(watch, watch.pauseMs * 2)
    this.#scheduleTurn()
  }

  #coolDown(watch: Watch, pauseMs: number): void {
    watch.isHot = false
    watch.pauseMs = Math.min(this.#pollIntervalMs, Math.max(FIRST_PAUSE_MS, pauseMs))
    watch.dueAtMs = performance.now() + watch.pauseMs
  }

  #schedulePoll(): void {
    let dueAtMs = Number.POSITIVE_INFINITY
    for (const { isHot, isReading, member, dueAtMs: due } of this.#watches.values()) {
      if (!isHot && !isReading && member.canRead && due < dueAtMs) dueAtMs = due
    }
    if (dueAtMs >= this.#pollDueAtMs || this.#isPeeking) return
    clearTimeout(this.#pollTimer)
    this.#pollDueAtMs = dueAtMs
    this.#pollTimer = setTimeout(() => void this.#poll(), Math.max(0, dueAtMs - performance.now()))
  }

  async #poll(): Promise<void> {
    this.#pollDueAtMs = Number.POSITIVE_INFINITY
    const horizonMs = performance.now() + this.#pollIntervalMs / 4
    const due = [...this.#watches.values()].filter(
      ({ isHot, isReading, member, dueAtMs }) => !isHot && !isReading && member.canRead && dueAtMs <= horizonMs,
    )
    if (due.length <= 1 || this.#options.connection.isCluster) for (const watch of due) watch.isHot = true
    else await this.#peek(due)
    this.#turn()
  }

  async #peek(watches: readonly Watch[]): Promise<void> {
    this.#isPeeking = true
    try {
      for (let from = 0; from < watches.length; from += PEEK_BATCH)
        await this.#peekBatch(watches.slice(from, from + PEEK_BATCH))
    } finally {
      this.#isPeeking = false
    }
  }

  async #peekBatch(watches: readonly Watch[]): Promise<void> {
    const names = watches.map(({ member }) => member.stream)
    const ids = watches.map(({ member }) => member.seenId)
    let hits = new Set<string>()
    try {
      const reply = await this.#options.connection.client.xread('COUNT', 1, 'STREAMS', ...names, ...ids)
      hits = new Set((reply as [string, unknown][] | null)?.map(([name]) => name))
    } catch (error) {
      watches[0]?.member.reportError(toError(error))
      // One key of another type fails the peek for all: each finds out for itself.
      if (error instanceof ReplyError) hits = new Set(names)
    }
    for (const watch of watches) {
      // Hot for one read; its result decides whether it stays so. The pause of one that finds nothing goes on growing.
      if (hits.has(watch.member.stream)) watch.isHot = true
      else this.#coolDown(watch, watch.pauseMs * 2)
    }
  }

  async #maintain(): Promise<void> {
    const nowMs = performance.now()
    const members = [...this.#watches.keys()]
    await this.#checkPauses(members, nowMs)
    await Promise.all(members.map(member => member.maintain(nowMs).catch(error => member.reportError(toError(error)))))
    // Whatever kept a worker from reading may be over.
    this.#scheduleTurn()
  }

  async #checkPauses(members: readonly PoolMember[], nowMs: number): Promise<void> {
    const { connection } = this.#options
    if (nowMs - this.#pausesCheckedAtMs < PAUSE_CHECK_INTERVAL_MS || !connection.isUsable || members.length === 0)
      return
    this.#pausesCheckedAtMs = nowMs
    try {
      const keys = members.map(({ stream }) => pausedKey(stream))
      const values = connection.isCluster
        ? await Promise.all(keys.map(key => connection.client.get(key)))
        : await connection.client.mget(keys)
      for (const [index, member] of members.entries()) member.setQueuePaused(values[index] !== null)
    } catch (error) {
      members[0]?.reportError(toError(error))
    }
  }
}
