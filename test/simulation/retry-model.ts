import type { EventProviderService } from '#kafka/event-provider.ts'
import type { AbstractCampaignPromotionRetryProcessor } from '#promotion/payment/retry-processor.ts'
import type { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

interface Job {
  dueMs: number
  holder: SimProcess | undefined
  lockedUntilMs: number
}

const LOOK_INTERVAL_MS = 300
const LOCK_MS = 4000
const BASE_MS = 200
const LONGEST_MS = 5000

/** The way from the retry topic to a delayed job and back, in short: one live job a gift, a lock that runs out. */
export class RetryModel {
  readonly jobs = new Map<string, Job>()
  /** Jobs that two had, after a lock ran out: each may cost a call more. */
  repeated = 0
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  add(targetId: string, attempts: number): void {
    if (this.jobs.has(targetId)) return
    const { random, nowMs } = this.#world.scheduler
    const pauseMs = random.next() * Math.min(LONGEST_MS, BASE_MS * 2 ** attempts)
    this.jobs.set(targetId, { dueMs: nowMs + pauseMs, holder: undefined, lockedUntilMs: 0 })
  }

  eventProviderOf(process: SimProcess): EventProviderService {
    const publish: EventProviderService['publish'] = ({ topic, value }) =>
      this.#world.database(process, () => {
        if (topic !== 'retry') return
        const { voucherTargetId, attempt } = JSON.parse(value) as { voucherTargetId: string; attempt: number }
        this.#world.tell('kafka', () => `${process.name} publishes a retry of gift ${voucherTargetId}`)
        this.add(voucherTargetId, attempt)
      })
    return { publish } as EventProviderService
  }

  /** One process's retry worker: its jobs one after the other. */
  work(process: SimProcess, processor: AbstractCampaignPromotionRetryProcessor, signal: AbortSignal) {
    let running: Promise<void> | undefined
    const timer = setInterval(() => {
      running ??= this.#round(process, processor, signal).finally(() => {
        running = undefined
      })
    }, LOOK_INTERVAL_MS)
    return {
      stop: async () => {
        clearInterval(timer)
        await running
      },
    }
  }

  async #round(
    process: SimProcess,
    processor: AbstractCampaignPromotionRetryProcessor,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [targetId, job] of this.jobs) {
      const { nowMs } = this.#world.scheduler
      if (job.dueMs > nowMs || job.lockedUntilMs > nowMs) continue
      if (job.holder !== undefined) this.repeated += 1
      job.holder = process
      job.lockedUntilMs = nowMs + LOCK_MS
      this.#world.tell(process.name, () => `tries gift ${targetId} again`)
      const outcome = await processor.process(targetId, signal).catch(() => ({ kind: 'not-now' }) as const)
      if (this.jobs.get(targetId) !== job || job.holder !== process) continue
      if (outcome.kind === 'done' || outcome.kind === 'exhausted') this.jobs.delete(targetId)
      else {
        job.holder = undefined
        job.lockedUntilMs = 0
        job.dueMs = this.#world.scheduler.nowMs + this.#world.scheduler.random.between(300, 2000)
      }
    }
  }
}
