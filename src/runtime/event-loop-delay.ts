import { CodedError } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { type Service, service } from './service.ts'

export interface EventLoopDelay extends Service {
  /** Throws while more than half of the last samples were later than the bound. */
  assertBelow(): void
}

export interface EventLoopDelayOptions {
  metrics: Metrics
  /** Above it, for most of the last ten samples, the process is not ready, in ms; 0: never. */
  maxMs: number
  /** How long a sample covers, in ms. */
  sampleMs?: number
}

const SAMPLE_MS = 1000
const SAMPLES = 10
const TICK_MS = 50

/**
 * How late the event loop is: all that comes behind a busy loop – an answer that has arrived, a heartbeat – is as late. One
 * long stall, or a process that was frozen and thawed, is one sample of ten and no reason for «not ready».
 */
export function createEventLoopDelay({ metrics, maxMs, sampleMs = SAMPLE_MS }: EventLoopDelayOptions): EventLoopDelay {
  const samplesMs: number[] = []
  let timers: NodeJS.Timeout[] = []
  let [tickedAtMs, worstMs] = [0, 0]
  metrics.gauge(
    'promostream_event_loop_delay_seconds',
    'By how much the event loop was late at worst, in the last ten seconds',
    () => Math.max(0, ...samplesMs) / 1000,
  )
  // Not `monitorEventLoopDelay` (whose figures are among the default metrics): its reset forgets the delay that goes on.
  const tick = () => {
    const nowMs = performance.now()
    worstMs = Math.max(worstMs, nowMs - tickedAtMs - TICK_MS)
    tickedAtMs = nowMs
  }
  const sample = () => {
    tick()
    samplesMs.push(worstMs)
    if (samplesMs.length > SAMPLES) samplesMs.shift()
    worstMs = 0
  }
  const life = service('event-loop-delay', {
    start: async () => {
      tickedAtMs = performance.now()
      timers = [setInterval(tick, TICK_MS).unref(), setInterval(sample, sampleMs).unref()]
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
    },
  })
  return {
    ...life,
    assertBelow: () => {
      const late = samplesMs.filter(delayMs => delayMs > maxMs).length
      if (maxMs > 0 && late * 2 > SAMPLES)
        throw new CodedError(
          'EVENT_LOOP_LATE',
          `the event loop was more than ${maxMs} ms late in ${late} of the last ${SAMPLES} s`,
        )
    },
  }
}
