import { toError } from '#runtime/errors.ts'
import { clearTimeout, performance, setTimeout } from './clock.ts'
import { shareFairly } from './fair-share.ts'
import { assertPositive } from './option-checks.ts'
import { byNode, streamsBeyond } from './peek.ts'
import { coolDown, heat, mayRead, type PoolMember, type ReadResult, type Watch, watchOf } from './pool-member.ts'
import { assertPoolOptions, type StreamPoolOptions } from './pool-options.ts'
import { PoolUpkeep } from './pool-upkeep.ts'

/** After a read that emptied the stream: what trickles in is read in small batches, not one by one. */
const DRAINED_PAUSE_MS = 5
/** By what the pause before the next look at an idle stream grows: what comes then waits for an eighth of the quiet time at most. */
const PAUSE_GROWTH = 1.125
/** Slots that trickle free gather this long, unless a sixteenth of them is free already. */
const GATHER_MS = 1
/** Longest pause after reads that failed, in ms. */
const MAX_FAILED_PAUSE_MS = 1000

/**
 * The one fetcher of a process: shares its slots fairly between the workers' streams, reads where there is work, and watches idle
 * ones with one multi-key XREAD (in a cluster with one read each). Never blocks, never reads more than there are free slots.
 */
export class StreamPool {
  readonly #options: StreamPoolOptions
  readonly #watches = new Map<PoolMember, Watch>()
  readonly #pollIntervalMs: number
  readonly #upkeep: PoolUpkeep
  #turnScheduled = false
  #urgentScheduled = false
  #pollTimer: NodeJS.Timeout | undefined
  #pollDueAtMs = Number.POSITIVE_INFINITY
  #peeks = 0
  /** Raised by each pass, and when a worker leaves: a look under way sees by it that what it knows is old. */
  #turns = 0
  /** In the last pass some worker could not read: not connected, full, paused, or recovery comes first. */
  #isAnyKept = true
  #gatherTimer: NodeJS.Timeout | undefined
  /** When the server last answered a look or a read, or there was nobody who wanted one. */
  #turnedAtMs = performance.now()

  /** Throws a TypeError that names the option which is wrong. */
  constructor(options: StreamPoolOptions) {
    assertPoolOptions(options)
    this.#options = { ...options }
    this.#pollIntervalMs = options.pollIntervalMs ?? 100
    this.#upkeep = new PoolUpkeep({
      connection: options.connection,
      watches: this.#watches,
      look: (watches, afterId) => this.#look(watches, afterId),
      onAtRest: nowMs => {
        this.#turnedAtMs = nowMs
      },
      // Where all could read there was nothing to wait for.
      onDone: isHot => {
        if (isHot || this.#isAnyKept) this.#scheduleTurn()
      },
    })
  }

  /** Handlers at once, over all workers. */
  get maxInFlight(): number {
    return this.#options.maxInFlight
  }

  /** While they run, up and down: handlers in flight go on. Throws a TypeError for what is no count. */
  set maxInFlight(value: number) {
    assertPositive('maxInFlight', value)
    this.#options.maxInFlight = value
  }

  /** Since a look or a read was last answered, in ms; a pool that has nothing to read is never old. */
  get ageMs(): number {
    return this.#watches.size === 0 ? 0 : performance.now() - this.#turnedAtMs
  }

  /** @internal Workers join and leave while others run. */
  add(member: PoolMember): void {
    if (this.#watches.size === 0) this.#turnedAtMs = performance.now()
    this.#watches.set(member, watchOf(member))
    this.#upkeep.start()
    this.#scheduleTurn()
  }

  /** @internal A worker leaves when it closes. */
  remove(member: PoolMember): void {
    this.#watches.delete(member)
    this.#turns += 1
    if (this.#watches.size > 0) return
    this.#upkeep.stop()
    for (const timer of [this.#pollTimer, this.#gatherTimer]) clearTimeout(timer)
    this.#gatherTimer = undefined
    this.#pollDueAtMs = Number.POSITIVE_INFINITY
  }

  /** @internal There is something to do at once: entries at hand, or on the stream when `isHot`. */
  wake(member: PoolMember, isHot = false): void {
    const watch = this.#watches.get(member)
    if (watch === undefined) return
    if (isHot) heat(watch)
    this.#scheduleTurn()
  }

  /** @internal A slot has become free. Many at once are worth a read before the rest of this turn's work is done. */
  freed(member: PoolMember): void {
    if (this.#urgentScheduled) return
    const isMany = member.free * 16 >= Math.min(member.concurrency, this.#options.maxInFlight)
    if (!isMany || this.#watches.get(member)?.reads !== 0) {
      this.#scheduleTurn()
      return
    }
    this.#urgentScheduled = true
    queueMicrotask(() => {
      this.#urgentScheduled = false
      this.#turn()
    })
  }

  /** Fetches nothing more. Close its workers before. */
  async close(): Promise<void> {
    for (const { member } of this.#watches.values()) this.remove(member)
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

  /** One pass over all members: who gets slots now, and when the next idle one is due for a look. */
  #turn(): void {
    const claimants: { watch: Watch; active: number; wants: number; weight: number }[] = []
    let inFlight = 0
    let pollDueAtMs = Number.POSITIVE_INFINITY
    this.#turns += 1
    this.#isAnyKept = false
    for (const watch of this.#watches.values()) {
      const { member, isHot, dueAtMs } = watch
      const { active, weight } = member
      inFlight += active
      const canRead = mayRead(watch)
      if (!canRead) this.#isAnyKept = true
      const wants = canRead && isHot ? member.free : Math.min(member.ready, member.free)
      if (wants > 0) claimants.push({ watch, active, wants, weight })
      if (canRead && !isHot && !watch.isPeeked && dueAtMs < pollDueAtMs) pollDueAtMs = dueAtMs
    }
    const grants = shareFairly(this.#options.maxInFlight - inFlight, claimants)
    for (const [index, { watch }] of claimants.entries()) {
      const slots = grants[index] as number
      if (slots > 0) void this.#take(watch, slots)
    }
    this.#schedulePoll(pollDueAtMs)
  }

  /** Too few slots, too soon after the last read: a moment later one read serves many of them. */
  #isTooSoon({ member, readAtMs }: Watch, slots: number): boolean {
    if (slots * 16 >= Math.min(member.concurrency, this.#options.maxInFlight)) return false
    if (performance.now() - readAtMs >= GATHER_MS) return false
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined
      this.#turn()
    }, GATHER_MS)
    return true
  }

  async #take(watch: Watch, slots: number): Promise<void> {
    const { member } = watch
    const reads = watch.isHot && mayRead(watch) && !this.#isTooSoon(watch, slots - member.ready)
    if (reads) {
      watch.reads += 1
      watch.readAtMs = performance.now()
    }
    const result = await member.take(reads ? slots : Math.min(slots, member.ready), reads)
    if (!reads) return
    // What was seen by a peek was another consumer's: without this every peek would see it again.
    if (result === 'empty' && watch.isHit) await member.catchUp()
    watch.isHit = false
    watch.reads -= 1
    this.#learn(watch, result)
  }

  #learn(watch: Watch, result: ReadResult): void {
    const nowMs = performance.now()
    if (result !== 'failed') this.#turnedAtMs = nowMs
    watch.isFull = result === 'full'
    // It may have handed out something all the same.
    if (result === 'failed') watch.isEmpty = false
    if (result === 'full') heat(watch)
    else if (result === 'some') {
      heat(watch)
      // The stream was drained by this read: what comes next comes in a moment, not in this one.
      coolDown(watch, nowMs, DRAINED_PAUSE_MS, this.#pollIntervalMs)
    } else if (result === 'empty') coolDown(watch, nowMs, watch.pauseMs * PAUSE_GROWTH, this.#pollIntervalMs)
    else if (result === 'failed') coolDown(watch, nowMs, watch.pauseMs * 2, MAX_FAILED_PAUSE_MS)
    this.#scheduleTurn()
  }

  #schedulePoll(dueAtMs: number): void {
    // Where there is one server, who becomes due meanwhile goes with the next peek; a node that is silent delays no other.
    const mustWait = this.#peeks > 0 && !this.#options.connection.isCluster
    if (dueAtMs >= this.#pollDueAtMs || mustWait) return
    clearTimeout(this.#pollTimer)
    this.#pollDueAtMs = dueAtMs
    this.#pollTimer = setTimeout(() => this.#poll(), Math.max(0, dueAtMs - performance.now()))
  }

  #poll(): void {
    this.#pollDueAtMs = Number.POSITIVE_INFINITY
    const { isCluster, isUsable } = this.#options.connection
    const { due, restDueAtMs } = this.#findDue(performance.now() + this.#pollIntervalMs / 4)
    if (due.length === 1) for (const watch of due) watch.isHot = true
    else if (due.length > 1 && isUsable) {
      const items = due.map(watch => ({ watch, stream: watch.member.stream }))
      for (const group of byNode(this.#options.connection, items)) {
        const watches = group.map(({ watch }) => watch)
        void this.#peek(watches, isCluster ? undefined : restDueAtMs)
      }
    }
    this.#upkeep.nudge()
    // While the one server is asked for them nobody else becomes due.
    if (due.length <= 1 || isCluster || !isUsable) this.#turn()
  }

  /**
   * Who is to be looked at by then, and when the next of the others is. Whether they could read is asked of those that have
   * something: a look at a few streams more costs less than to ask hundreds of idle workers ten times a second.
   */
  #findDue(horizonMs: number): { due: Watch[]; restDueAtMs: number } {
    const due: Watch[] = []
    let restDueAtMs = Number.POSITIVE_INFINITY
    for (const watch of this.#watches.values()) {
      const { isHot, reads, isPeeked, dueAtMs } = watch
      if (isHot || reads > 0 || isPeeked) continue
      if (dueAtMs <= horizonMs) due.push(watch)
      else restDueAtMs = Math.min(restDueAtMs, dueAtMs)
    }
    return { due, restDueAtMs }
  }

  /** `restDueAtMs`: when the next of those that it does not look at is due; undefined: that is to be found out anew. */
  async #peek(watches: readonly Watch[], restDueAtMs: number | undefined): Promise<void> {
    const turns = this.#turns
    this.#peeks += 1
    for (const watch of watches) watch.isPeeked = true
    const hits = await this.#look(watches, ({ member }) => member.seenId)
    this.#peeks -= 1
    const nowMs = performance.now()
    const [growth, longestMs] = hits === undefined ? [2, MAX_FAILED_PAUSE_MS] : [PAUSE_GROWTH, this.#pollIntervalMs]
    if (hits !== undefined) this.#turnedAtMs = nowMs
    let nextDueAtMs = restDueAtMs ?? Number.POSITIVE_INFINITY
    for (const watch of watches) {
      watch.isPeeked = false
      // Hot for one read; its result decides whether it stays so. The pause of one that finds nothing goes on growing.
      if (hits?.has(watch.member.stream)) watch.isHot = watch.isHit = true
      // What was woken meanwhile is to be read all the same.
      else if (!watch.isHot) coolDown(watch, nowMs, watch.pauseMs * growth, longestMs)
      nextDueAtMs = Math.min(nextDueAtMs, watch.dueAtMs)
    }
    // Nothing was found, and nothing else happened meanwhile: a pass would find the same again, at the price of asking all.
    if (hits?.size === 0 && restDueAtMs !== undefined && turns === this.#turns) this.#schedulePoll(nextDueAtMs)
    else this.#turn()
  }

  /** Which of the streams have an entry after that id; undefined when the server did not say. */
  async #look(watches: readonly Watch[], afterId: (watch: Watch) => string): Promise<Set<string> | undefined> {
    try {
      const looks = watches.map(watch => ({ stream: watch.member.stream, afterId: afterId(watch) }))
      return await streamsBeyond(this.#options.connection, looks)
    } catch (error) {
      watches[0]?.member.reportError(toError(error))
      return undefined
    }
  }
}
