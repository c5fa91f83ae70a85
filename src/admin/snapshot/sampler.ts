import type { Kysely } from 'kysely'
import { answerOr } from '#admin/answer-or.ts'
import { type PromotionProgress, readProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { byGiftType, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'
import { singleFlight } from '#runtime/single-flight.ts'
import { type Bottleneck, bottlenecks, type Surroundings, slotsOf } from './bottleneck.ts'
import { createPromotionHistory, type HistoryPoint } from './history.ts'
import type { Estimate } from './rate.ts'
import { remembered } from './remembered.ts'
import { createSince } from './since.ts'
import type { StreamCount, StreamCounter } from './streams.ts'

/** A promotion as everybody sees it: pages, API and board. */
export interface PromotionView extends PromotionProgress, Estimate {
  /** SUCCESS, FAILED and UNKNOWN: nothing more is done for these by itself. */
  done: number
  /** What `done` runs up to. */
  expected: number
  /** PENDING gifts in a worker's hands, and those still waiting. */
  active: number
  waiting: number
  /** For how long at least the oldest entry in flight has been there, in seconds; 0 when none is. */
  oldestLeasedS: number
  slots: number
  slotsInUse: number
  bottlenecks: Bottleneck[]
}

export interface Snapshot {
  /** ms since the epoch; the promotions are as of then. */
  atMs: number
  promotions: PromotionView[]
  around: Surroundings
}

export interface Sampler extends Service {
  /** Not older than a second, however many ask: one question to the servers answers all of them. */
  fresh(): Promise<Snapshot>
  /** Whatever was seen last. */
  latest(): Snapshot | undefined
  find(promotionId: string): Promise<PromotionView | undefined>
  /** The promotion as it is after a change: not older than the call. */
  renewed(promotionId: string): Promise<PromotionView | undefined>
  /** Promotions in the order of their ids, from behind one of them. */
  page(afterId: string, limit: number): Promise<PromotionView[]>
  history(promotionId: string): readonly HistoryPoint[]
  /** Called with every new snapshot. Returns how to stop that. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void
}

export interface SamplerDeps {
  kysely: Kysely<unknown>
  streams: StreamCounter
  listInstances(): Promise<InstanceRecord[]>
  kafkaLag(type: PromotionType): Promise<number>
  /** Does any listener read the topic of these gifts? */
  hasListener(type: PromotionType): Promise<boolean>
  retriesPaused(): Promise<boolean>
  logger: Logger
}

const MAX_AGE_MS = 1000
/** While nobody looks, only rates are kept going. */
const IDLE_INTERVAL_MS = 5000
const WATCHED_FOR_MS = 30_000
/** Workers report every two seconds. */
const INSTANCES_MAX_AGE_MS = 2000
const KAFKA_MAX_AGE_MS = 5000
const LISTENERS_MAX_AGE_MS = 2000
/** A Redis that hangs must not keep the rest of the picture waiting. */
const STREAMS_WITHIN_MS = 1000

/** Looks at the installation once a second for everybody who watches, and remembers enough for rates and plots. */
export function createSampler(deps: SamplerDeps): Sampler {
  const history = createPromotionHistory()
  const listeners = new Set<(snapshot: Snapshot) => void>()
  const observe = createObserver(deps)
  const since = createSince()
  let latest: Snapshot | undefined
  let watchedAtMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  const take = async (): Promise<Snapshot> => {
    const { promotions, around, counts } = await observe(latest?.promotions ?? [])
    const views = promotions.map(promotion => {
      const view = since(viewOf(promotion, around, counts.get(promotion.id)))
      return { ...view, ...history.add(view, performance.now()) }
    })
    latest = { atMs: Date.now(), promotions: views, around }
    for (const listener of listeners) listener(latest)
    return latest
  }
  const sample = singleFlight(take)
  const tick = () => {
    const isWatched = listeners.size > 0 || performance.now() - watchedAtMs < WATCHED_FOR_MS
    void sample()
      .catch(error => deps.logger.warn({ err: toError(error) }, `no snapshot: ${errorLine(error)}`))
      .finally(() => {
        if (!isStopped) timer = setTimeout(tick, isWatched ? MAX_AGE_MS : IDLE_INTERVAL_MS)
      })
  }
  const fresh = async () => {
    watchedAtMs = performance.now()
    return latest !== undefined && Date.now() - latest.atMs < MAX_AGE_MS ? latest : await sample()
  }
  /** One that is not watched: finished long ago, so nothing of it moves. */
  const readOther = async (which: { id: string } | { afterId: string; limit: number }): Promise<PromotionView[]> => {
    const { around } = await fresh()
    const read = await readProgress(deps.kysely, which)
    return read.map(progress => ({ ...viewOf(progress, around, undefined), perSecond: 0, eta: null }))
  }
  return {
    ...service('sampler', {
      start: async () => tick(),
      stop: async () => {
        isStopped = true
        clearTimeout(timer)
        await sample.inFlight()?.catch(() => undefined)
      },
    }),
    fresh,
    latest: () => latest,
    find: async promotionId => {
      const known = (await fresh()).promotions.find(({ id }) => id === promotionId)
      return known ?? (await readOther({ id: promotionId }))[0]
    },
    renewed: async promotionId => {
      await sample.inFlight()
      return (
        (await sample()).promotions.find(({ id }) => id === promotionId) ?? (await readOther({ id: promotionId }))[0]
      )
    },
    page: async (afterId, limit) => {
      const watched = new Map((await fresh()).promotions.map(promotion => [promotion.id, promotion]))
      return (await readOther({ afterId, limit })).map(promotion => watched.get(promotion.id) ?? promotion)
    },
    history: promotionId => history.points(promotionId),
    subscribe: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

type Counts = ReadonlyMap<string, StreamCount>

/** One look at PostgreSQL, Redis and Kafka. What does not answer is undefined; `previous` stands in for PostgreSQL. */
function createObserver(deps: SamplerDeps) {
  const instances = remembered(INSTANCES_MAX_AGE_MS, deps.listInstances)
  const retriesPaused = remembered(INSTANCES_MAX_AGE_MS, deps.retriesPaused)
  const listeners = remembered(LISTENERS_MAX_AGE_MS, async () => {
    const found = byGiftType(() => true)
    await Promise.all(
      PROMOTION_TYPES.map(async type => {
        found[type] = await deps.hasListener(type)
      }),
    )
    return found
  })
  const kafkaLag = remembered(KAFKA_MAX_AGE_MS, async () => {
    const lags = byGiftType(() => 0)
    await Promise.all(
      PROMOTION_TYPES.map(async type => {
        lags[type] = await deps.kafkaLag(type)
      }),
    )
    return lags
  })
  return async (previous: readonly PromotionProgress[]) => {
    const startedAt = performance.now()
    const [read, seen, lag, hasListener, areRetriesPaused] = await Promise.all([
      readProgress(deps.kysely, 'watched').then(
        promotions => ({ promotions, databaseMs: performance.now() - startedAt }),
        (error: unknown) => {
          deps.logger.warn({ err: toError(error) }, `progress cannot be read: ${errorLine(error)}`)
          return { promotions: previous, databaseMs: undefined }
        },
      ),
      instances(),
      kafkaLag.soon(),
      listeners.soon(),
      retriesPaused(),
    ])
    const counts =
      seen === undefined
        ? undefined
        : await answerOr<Counts | undefined>(deps.streams.read(read.promotions), undefined, STREAMS_WITHIN_MS)
    const around: Surroundings = {
      instances: seen,
      streamsAnswer: counts !== undefined,
      databaseMs: read.databaseMs,
      kafkaLag: lag,
      hasListener,
      retriesPaused: areRetriesPaused ?? false,
    }
    return { promotions: read.promotions, around, counts: counts ?? new Map<string, StreamCount>() }
  }
}

function viewOf(
  progress: PromotionProgress,
  around: Surroundings,
  entries: Pick<StreamCount, 'pending' | 'oldestLeasedMs'> | undefined,
): Omit<PromotionView, keyof Estimate> {
  const { id, gifts, rows, totalCount } = progress
  const { slots, slotsInUse } = slotsOf(id, around.instances ?? [])
  const active = Math.min(gifts.PENDING, entries?.pending ?? slotsInUse)
  return {
    ...progress,
    done: gifts.SUCCESS + gifts.FAILED + gifts.UNKNOWN,
    expected: Math.max(totalCount, rows),
    active,
    waiting: gifts.PENDING - active,
    oldestLeasedS: (entries?.oldestLeasedMs ?? 0) / 1000,
    slots,
    slotsInUse,
    bottlenecks: bottlenecks(progress, around),
  }
}
