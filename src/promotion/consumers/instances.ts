import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { Cluster, type Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import type { MoneyStatus } from '#money/status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'
import type { PromotionConsumerRegistry } from './consumer-registry.ts'

/** One worker process as it described itself at `at`. Times are ISO 8601. */
export interface InstanceRecord extends MoneyStatus {
  /** `{host}-{pid}-{random}`: new at each start. */
  instance: string
  host: string
  pid: number
  startedAt: string
  at: string
  slotsInUse: number
  /** `WORKER_MAX_IN_FLIGHT`. */
  slotsMax: number
  promotions: InstancePromotion[]
  /** The started events that it has answered, by promotion: the last 1,000. */
  startedEvents: Record<string, string>
}

interface InstancePromotion {
  promotionId: string
  type: PromotionType
  /** Slots it may use, of those that its process has. */
  slots: number
  slotsInUse: number
  isPaused: boolean
}

const INDEX_KEY = 'promostream:instances'
const recordKey = (instance: string) => `promostream:instance:${instance}`
const INTERVAL_MS = 2000
const TTL_MS = 10_000
/** Whoever has not reported for this long has no record any more, whatever the clocks of two machines say. */
const READ_WITHIN_MS = 60_000
/** Names of instances that died are forgotten after this long. */
const FORGET_AFTER_MS = 3_600_000
const MAX_STARTED_EVENTS = 1000

/** The worker processes that have reported within the last 10 s, in the order of their names. Two commands. */
export async function listInstances(redis: Redis | Cluster): Promise<InstanceRecord[]> {
  const names = await redis.zrangebyscore(INDEX_KEY, Date.now() - READ_WITHIN_MS, '+inf')
  const texts = await readAll(redis, names.map(recordKey))
  const records = texts.filter(text => text !== null).map(text => JSON.parse(text) as InstanceRecord)
  return records.sort((one, other) => (one.instance < other.instance ? -1 : 1))
}

/** A cluster's keys lie on different nodes. */
function readAll(redis: Redis | Cluster, keys: string[]): Promise<(string | null)[]> {
  if (redis instanceof Cluster) return Promise.all(keys.map(key => redis.get(key)))
  return keys.length === 0 ? Promise.resolve([]) : redis.mget(keys)
}

export interface InstanceReporter extends Service {
  readonly instance: string
  /** This process has answered the promotion's started event. */
  startedEvent(promotionId: string): void
}

export interface InstanceReporterOptions {
  redis: Redis | Cluster
  registry: Pick<PromotionConsumerRegistry, 'contexts'>
  money(): MoneyStatus
  slotsMax: number
  logger: Logger
}

/** Every two seconds this process says what it does; what it said expires by itself when it dies. */
export function createInstanceReporter(options: InstanceReporterOptions): InstanceReporter {
  const { redis, logger } = options
  const instance = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
  const startedAt = new Date().toISOString()
  const startedEvents = new LRUCache<string, string>({ max: MAX_STARTED_EVENTS })
  const describe = (): InstanceRecord => {
    const promotions = promotionsOf(options)
    return {
      instance,
      host: hostname(),
      pid: process.pid,
      startedAt,
      at: new Date().toISOString(),
      ...options.money(),
      slotsInUse: promotions.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0),
      slotsMax: options.slotsMax,
      promotions,
      startedEvents: Object.fromEntries(startedEvents.entries()),
    }
  }
  const report = async () => {
    const nowMs = Date.now()
    await Promise.all([
      redis.set(recordKey(instance), JSON.stringify(describe()), 'PX', TTL_MS),
      redis.zadd(INDEX_KEY, nowMs, instance),
      redis.zremrangebyscore(INDEX_KEY, '-inf', String(nowMs - FORGET_AFTER_MS)),
    ])
  }
  const warn = (error: unknown) =>
    logger.debug({ err: toError(error) }, `this instance could not report itself: ${errorLine(error)}`)
  let timer: NodeJS.Timeout | undefined
  const life = service('instance-report', {
    start: async () => {
      await report().catch(warn)
      timer = setInterval(() => void report().catch(warn), INTERVAL_MS)
    },
    stop: async () => {
      clearInterval(timer)
      await Promise.all([redis.del(recordKey(instance)), redis.zrem(INDEX_KEY, instance)]).catch(warn)
    },
  })
  return {
    ...life,
    instance,
    startedEvent: promotionId => void startedEvents.set(promotionId, new Date().toISOString()),
  }
}

function promotionsOf({ registry, slotsMax }: InstanceReporterOptions): InstancePromotion[] {
  return registry.contexts.map(({ promotionId, type, worker }) => ({
    promotionId,
    type,
    slots: Math.min(worker.concurrency, slotsMax),
    slotsInUse: worker.inFlight,
    isPaused: worker.isPaused(),
  }))
}
