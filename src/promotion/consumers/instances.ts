import type { Cluster, Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import type { RecentCallsSummary } from '#money/recent-calls.ts'
import type { MoneyStatus } from '#money/status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Service } from '#runtime/service.ts'
import type { PromotionConsumerRegistry } from './consumer-registry.ts'
import { createProcessReporter, listReports, type ProcessReport } from './process-reports.ts'

/** One worker process as it described itself at `at`. */
export interface InstanceRecord extends MoneyStatus, ProcessReport {
  slotsInUse: number
  /** `WORKER_MAX_IN_FLIGHT`. */
  slotsMax: number
  promotions: InstancePromotion[]
  /** The started events that it has acted on, by promotion: the last 1,000. */
  startedEvents: Record<string, string>
}

interface InstancePromotion {
  promotionId: string
  type: PromotionType
  /** Slots it may use, of those that its process has. */
  slots: number
  /** Slots that its total or an operator asks for; missing from older processes. */
  slotsWanted?: number
  slotsInUse: number
  isPaused: boolean
  /** What its POSTs came to lately; missing when it had none, and from older processes. */
  recentCalls?: RecentCallsSummary
}

const MAX_STARTED_EVENTS = 1000

/** The worker processes that have reported lately, in the order of their names. Two commands. */
export async function listInstances(redis: Redis | Cluster): Promise<InstanceRecord[]> {
  return (await listReports<InstanceRecord>(redis)).workers
}

export interface InstanceReporter extends Service {
  readonly instance: string
  /** This process has acted on the promotion's started event. */
  startedEvent(promotionId: string): void
}

export interface InstanceReporterOptions {
  redis: Redis | Cluster
  registry: Pick<PromotionConsumerRegistry, 'contexts'>
  money(): MoneyStatus
  /** What a promotion's POSTs came to lately. */
  callsOf?(promotionId: string): RecentCallsSummary | undefined
  slotsMax: number
  logger: Logger
}

/** Every second this worker says what it does. */
export function createInstanceReporter(options: InstanceReporterOptions): InstanceReporter {
  const { redis, logger, slotsMax } = options
  const startedEvents = new LRUCache<string, string>({ max: MAX_STARTED_EVENTS })
  const describe = (): Omit<InstanceRecord, keyof ProcessReport> => {
    const promotions = promotionsOf(options)
    return {
      ...options.money(),
      slotsInUse: promotions.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0),
      slotsMax,
      promotions,
      startedEvents: Object.fromEntries(startedEvents.entries()),
    }
  }
  return {
    ...createProcessReporter({ redis, kind: 'worker', describe, logger }),
    startedEvent: promotionId => void startedEvents.set(promotionId, new Date().toISOString()),
  }
}

function promotionsOf({ registry, slotsMax, callsOf }: InstanceReporterOptions): InstancePromotion[] {
  return registry.contexts.map(({ promotionId, type, worker }) => {
    const recentCalls = callsOf?.(promotionId)
    return {
      promotionId,
      type,
      slots: Math.min(worker.concurrency, slotsMax),
      slotsWanted: worker.concurrency,
      slotsInUse: worker.inFlight,
      isPaused: worker.isPaused(),
      ...(recentCalls === undefined ? {} : { recentCalls }),
    }
  })
}
