import { toError } from '#runtime/errors.ts'
import { clearTimeout, performance, setTimeout } from './clock.ts'
import type { StreamConnection } from './connection.ts'
import type { PoolMember, Watch } from './pool-member.ts'
import { lookUpPauses } from './queue-pauses.ts'

const INTERVAL_MS = 250
/** Due with a look at idle streams that comes so much sooner: each time that a process wakes up costs more than what it does. */
const EARLY_MS = 60
const PAUSE_CHECK_INTERVAL_MS = 500
/** How often idle streams are looked at for entries that others may have died with. */
const EMPTY_LOOK_INTERVAL_MS = 1000
/** A stream that holds entries is read at least so often, whatever a peek says of it. */
const UNREAD_LOOK_INTERVAL_MS = 2000
/** A worker whose stream is empty and was not read lately is asked so seldom whether it needs anything. */
const EMPTY_ASK_INTERVAL_MS = 1000

export interface PoolUpkeepOptions {
  connection: StreamConnection
  watches: ReadonlyMap<PoolMember, Watch>
  /** The streams that have an entry after that id; undefined when the server did not say. */
  look: (watches: readonly Watch[], afterId: (watch: Watch) => string) => Promise<Set<string> | undefined>
  /** Nobody wants to read, and the server is there. */
  onAtRest: (nowMs: number) => void
  /** A round has ended: what kept a worker from reading may be over. `isHot`: it found a stream that is to be read. */
  onDone: (isHot: boolean) => void
}

/** What a pool's workers need beside reads, in rounds: heartbeats, claims, whether a queue is paused, which streams are empty. */
export class PoolUpkeep {
  readonly #o: PoolUpkeepOptions
  #timer: NodeJS.Timeout | undefined
  #begunAtMs = 0
  #pausesCheckedAtMs = 0
  #emptinessCheckedAtMs = 0

  constructor(options: PoolUpkeepOptions) {
    this.#o = options
  }

  /** Rounds from now on, until `stop`. */
  start(): void {
    if (this.#timer === undefined) this.#later()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** The process is awake: a round that is nearly due begins now. */
  nudge(): void {
    if (performance.now() - this.#begunAtMs >= INTERVAL_MS - EARLY_MS) void this.#round()
  }

  #later(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#round(), INTERVAL_MS)
  }

  async #round(): Promise<void> {
    const nowMs = performance.now()
    this.#begunAtMs = nowMs
    this.#later()
    const watches = [...this.#o.watches.values()]
    if (this.#isAtRest(watches)) this.#o.onAtRest(nowMs)
    const due = watches.filter(watch => isDue(watch, nowMs))
    // Side by side: a heartbeat waits for nothing.
    const [isHot] = await Promise.all([
      this.#checkEmptiness(watches, nowMs),
      this.#checkPauses(nowMs),
      ...due.map(({ member, isEmpty }) =>
        member.maintain(nowMs, isEmpty).catch(error => member.reportError(toError(error))),
      ),
    ])
    this.#o.onDone(isHot)
  }

  /** All slots are taken, or everybody is paused: whoever does not read is not behind. */
  #isAtRest(watches: readonly Watch[]): boolean {
    return this.#o.connection.isUsable && !watches.some(({ member, reads }) => member.canRead || reads > 0)
  }

  /**
   * An entry that a dead consumer had leased is on its stream: where there is none, hundreds of claims are spared. Resolves
   * with whether a stream is to be read.
   */
  async #checkEmptiness(watches: readonly Watch[], nowMs: number): Promise<boolean> {
    if (!this.#o.connection.isUsable) return false
    if (watches.length === 1) {
      // The only stream is read itself; what was seen of it while it had neighbours says nothing any more.
      for (const watch of watches) watch.isEmpty = false
      return false
    }
    if (nowMs - this.#emptinessCheckedAtMs < EMPTY_LOOK_INTERVAL_MS) return false
    this.#emptinessCheckedAtMs = nowMs
    const filled = await this.#o.look(watches, () => '0-0')
    let isHot = false
    for (const watch of watches) {
      watch.isEmpty = filled?.has(watch.member.stream) === false
      // A failover may have forgotten that it handed out what lies behind the last id seen: only a read tells.
      const isOld = nowMs - watch.readAtMs > UNREAD_LOOK_INTERVAL_MS
      if (isOld && !watch.isHot && filled?.has(watch.member.stream)) isHot = watch.isHot = true
    }
    return isHot
  }

  async #checkPauses(nowMs: number): Promise<void> {
    const { connection, watches } = this.#o
    if (nowMs - this.#pausesCheckedAtMs < PAUSE_CHECK_INTERVAL_MS || !connection.isUsable || watches.size === 0) return
    this.#pausesCheckedAtMs = nowMs
    await lookUpPauses(connection, [...watches.keys()])
  }
}

/** Hundreds of idle workers are spared most of the question. */
function isDue(watch: Watch, nowMs: number): boolean {
  const { member, isEmpty, readAtMs, askedAtMs } = watch
  const isIdle = isEmpty && nowMs - readAtMs > UNREAD_LOOK_INTERVAL_MS
  if (isIdle && nowMs - askedAtMs < EMPTY_ASK_INTERVAL_MS) return false
  watch.askedAtMs = nowMs
  return member.isDue(nowMs, isEmpty)
}
