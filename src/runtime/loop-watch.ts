import { CodedError, errorLine } from './errors.ts'
import type { Logger } from './logger.ts'
import { type Service, service } from './service.ts'
import { createTimeLimit, type TimeLimit } from './time-limit.ts'

/** Something that must come round again and again, and how long ago it last did, in ms. */
export interface Loop {
  readonly name: string
  readonly ageMs: number
}

/** A question to a dependency over a connection of its own, made for it and closed after it. */
export interface FreshProbe {
  readonly name: string
  probe(): Promise<void>
}

/** A loop, and what it cannot go on without. */
export interface WatchedLoop {
  loop: Loop
  needs: readonly FreshProbe[]
}

export interface LoopWatchOptions {
  loops: readonly WatchedLoop[]
  /** So long a loop may stand still although all that it needs answers others, in ms; 0: for ever. */
  stallTimeoutMs: number
  /** Ends the process. */
  fatal(error: Error): void
  logger: Pick<Logger, 'warn'>
  /** Now, in ms, of a clock that nobody sets. */
  now?: () => number
}

const TICK_MS = 1000
const PROBE_TIMEOUT_MS = 5000
/** A loop is suspected, and its dependencies are asked, after this share of the bound. */
const SUSPECT_SHARE = 0.25
const ASK_SHARE = 0.05

interface State {
  watched: WatchedLoop
  progressAtMs: number
  /** Since it last came round, in ms of this process's own life. */
  standstillMs: number
  /** For how much of that all it needs has been answering, in ms. */
  stalledMs: number
  /** The standstill at which the dependencies are asked next, in ms. */
  askAtMs: number
  isAsking: boolean
  areNeedsAnswering: boolean
}

/** Asks all that a loop needs, each over a connection of its own, whether it works. */
async function ask(
  state: State,
  limits: ReadonlyMap<FreshProbe, TimeLimit>,
  logger: LoopWatchOptions['logger'],
): Promise<void> {
  state.isAsking = true
  try {
    await Promise.all(state.watched.needs.map(need => limits.get(need)?.(() => need.probe())))
    if (!state.areNeedsAnswering)
      logger.warn(`${state.watched.loop.name} stands still although a new connection to what it needs works`)
    state.areNeedsAnswering = true
  } catch (error) {
    if (state.areNeedsAnswering) logger.warn(`${state.watched.loop.name} stands still: ${errorLine(error)}`)
    state.areNeedsAnswering = false
    state.stalledMs = 0
  } finally {
    state.isAsking = false
  }
}

/**
 * Ends a process whose loop stands still while a fresh connection to all that the loop needs works: for longer than the
 * bound, without a break. An outage is no reason to end – a restart would cure nothing, and count as a delivery. Nor is
 * time in which the process itself stood still (SIGSTOP, a suspended machine): a tick counts for two at most.
 */
export function createLoopWatch(options: LoopWatchOptions): Service {
  const { loops, stallTimeoutMs, fatal, logger, now = () => performance.now() } = options
  const tickMs = Math.min(TICK_MS, Math.max(10, stallTimeoutMs / 10))
  const askAtMs = stallTimeoutMs * SUSPECT_SHARE
  const states = loops.map((watched): State => {
    const nothing = { progressAtMs: Number.NEGATIVE_INFINITY, standstillMs: 0, stalledMs: 0, askAtMs }
    return { watched, ...nothing, isAsking: false, areNeedsAnswering: false }
  })
  const limits = new Map(
    loops.flatMap(({ needs }) => needs.map(need => [need, createTimeLimit(need.name, PROBE_TIMEOUT_MS)] as const)),
  )
  let timer: NodeJS.Timeout | undefined
  let tickedAtMs = now()

  const end = ({ watched, standstillMs }: State): void => {
    clearInterval(timer)
    const seconds = Math.round(standstillMs / 1000)
    const message = `${watched.loop.name} has stood still for ${seconds} s although what it needs works`
    fatal(new CodedError('LOOP_STALLED', message))
  }
  const look = (state: State, passedMs: number): void => {
    const { loop } = state.watched
    const progressAtMs = now() - loop.ageMs
    // A clock's rounding is no progress.
    if (progressAtMs > state.progressAtMs + 1) {
      Object.assign(state, { progressAtMs, standstillMs: 0, stalledMs: 0, areNeedsAnswering: false, askAtMs })
      return
    }
    state.standstillMs += passedMs
    if (state.areNeedsAnswering) state.stalledMs += passedMs
    if (state.stalledMs > stallTimeoutMs) end(state)
    else if (!state.isAsking && state.standstillMs > state.askAtMs) {
      state.askAtMs = state.standstillMs + stallTimeoutMs * ASK_SHARE
      void ask(state, limits, logger)
    }
  }
  const tick = () => {
    const passedMs = Math.min(now() - tickedAtMs, 2 * tickMs)
    tickedAtMs = now()
    for (const state of states) look(state, passedMs)
  }
  return service('loop-watch', {
    start: async () => {
      tickedAtMs = now()
      if (stallTimeoutMs > 0) timer = setInterval(tick, tickMs)
    },
    stop: async () => clearInterval(timer),
  })
}
