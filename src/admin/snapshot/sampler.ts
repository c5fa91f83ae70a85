import { refusal } from '#admin/problem.ts'
import { type PromotionProgress, readProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import { type Service, service } from '#runtime/service.ts'
import { singleFlight } from '#runtime/single-flight.ts'
import { bottlenecks, type Surroundings, slotsOf } from './bottleneck.ts'
import type { Bottleneck } from './cause.ts'
import { createPromotionHistory, type HistoryPoint } from './history.ts'
import { createMinuteSamples } from './minutes.ts'
import { createObserver, type ObserverDeps } from './observer.ts'
import type { Estimate } from './rate.ts'
import { createSince } from './since.ts'
import type { StreamCount } from './streams.ts'
import { createVerdictWatch, type Verdict, verdictOf } from './verdict.ts'

/** A promotion as everybody sees it: pages, API and board. */
export interface PromotionView extends PromotionProgress, Estimate {
  /** SUCCESS, FAILED and UNKNOWN: nothing more is done for these by itself. */
  done: number
  /** What `done` runs up to. */
  expected: number
  /** PENDING gifts whose entries are leased, and those of the backlog. */
  active: number
  waiting: number
  /** For how long at least the oldest entry in flight has been there, in seconds; 0 when none is. */
  oldestLeasedS: number
  slots: number
  slotsInUse: number
  bottlenecks: Bottleneck[]
  /** Null: it has no deadline, or nothing moves. */
  verdict: Verdict | null
}

export interface Snapshot {
  /** ms since the epoch. */
  atMs: number
  /** When PostgreSQL was last read: the promotions are as of then. */
  readAtMs: number
  promotions: PromotionView[]
  around: Surroundings
  /** The workers as Redis knew them last; undefined: it never answered. */
  workers: readonly InstanceRecord[] | undefined
  /** When Redis was last read: workers and entries are as of then. */
  redisReadAtMs: number
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

const MAX_AGE_MS = 1000
/** While somebody looks, the next one is there before the last is too old: no page waits for it. */
const WATCHED_INTERVAL_MS = 850
/** While nobody looks, only rates are kept going. */
const IDLE_INTERVAL_MS = 5000
const WATCHED_FOR_MS = 30_000

/** Makes snapshots, and remembers enough of them for rates and plots. */
function createSnapshots(deps: ObserverDeps) {
  const history = createPromotionHistory()
  const observe = createObserver(deps)
  const since = createSince()
  const minutes = createMinuteSamples(deps)
  const watchVerdicts = createVerdictWatch((promotionId, { isInTime, ...verdict }) => {
    const say = isInTime ? 'will be done by its deadline, as things go now' : 'will be late, as things go now'
    deps.logger[isInTime ? 'info' : 'warn']({ promotionId, ...verdict }, `promotion ${promotionId} ${say}`)
  })
  let latest: Snapshot | undefined
  let entries: ReadonlyMap<string, StreamCount> = new Map()
  const take = async (): Promise<Snapshot> => {
    const { promotions, around, counts } = await observe(latest?.promotions ?? [])
    const nowMs = Date.now()
    const readAtMs = around.databaseMs === undefined ? (latest?.readAtMs ?? nowMs) : nowMs
    const isRedisAway = around.instances === undefined || counts === undefined
    const redisReadAtMs = isRedisAway ? (latest?.redisReadAtMs ?? nowMs) : nowMs
    const workers = around.instances ?? latest?.workers
    entries = counts ?? entries
    const views = promotions.map(promotion => {
      const view = since(viewOf(promotion, { around, workers, entries: entries.get(promotion.id) }))
      const estimate = history.add(view, performance.now())
      return { ...view, ...estimate, verdict: verdictOf(view, estimate, nowMs) }
    })
    watchVerdicts(views)
    latest = { atMs: nowMs, readAtMs, redisReadAtMs, promotions: views, around, workers }
    if (around.databaseMs !== undefined) void minutes.add(views, nowMs)
    return latest
  }
  return { take, latest: () => latest, history: (promotionId: string) => history.points(promotionId) }
}

/** Looks at the installation once a second for everybody who watches. */
export function createSampler(deps: ObserverDeps): Sampler {
  const { take, latest, history } = createSnapshots(deps)
  const listeners = new Set<(snapshot: Snapshot) => void>()
  let watchedAtMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  const sample = singleFlight(async () => {
    const snapshot = await take()
    for (const listener of listeners) listener(snapshot)
    return snapshot
  })
  const tick = () => {
    const isWatched = listeners.size > 0 || performance.now() - watchedAtMs < WATCHED_FOR_MS
    void sample()
      .catch(error => deps.logger.warn({ err: toError(error) }, `no snapshot: ${errorLine(error)}`))
      .finally(() => {
        if (!isStopped) timer = setTimeout(tick, isWatched ? WATCHED_INTERVAL_MS : IDLE_INTERVAL_MS)
      })
  }
  const fresh = async () => {
    watchedAtMs = performance.now()
    const last = latest()
    return last !== undefined && Date.now() - last.atMs < MAX_AGE_MS ? last : await sample()
  }
  /** One that is not watched: finished long ago, so nothing of it moves. */
  const readOther = async (which: { id: string } | { afterId: string; limit: number }): Promise<PromotionView[]> => {
    const { around, workers } = await fresh()
    const read = await readProgress(deps.kysely, which)
    const seen = { around, workers, entries: undefined }
    return read.map(progress => ({ ...viewOf(progress, seen), perSecond: 0, eta: null, verdict: null }))
  }
  const pick = async ({ promotions }: Snapshot, promotionId: string) =>
    promotions.find(({ id }) => id === promotionId) ?? (await readOther({ id: promotionId }))[0]
  return {
    ...service('sampler', {
      start: async () => tick(),
      stop: async () => {
        isStopped = true
        clearTimeout(timer)
        await sample.inFlight()?.catch(() => undefined)
      },
    }),
    ...{ fresh, latest, history },
    find: async promotionId => pick(await fresh(), promotionId),
    renewed: async promotionId => {
      await sample.inFlight()
      return pick(await sample(), promotionId)
    },
    page: async (afterId, limit) => {
      const watched = new Map((await fresh()).promotions.map(promotion => [promotion.id, promotion]))
      return (await readOther({ afterId, limit })).map(promotion => watched.get(promotion.id) ?? promotion)
    },
    subscribe: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Finds the promotion of a route; refuses one that does not exist. */
export type Finder = (promotionId: string) => Promise<PromotionView>

export function finderOf(sampler: Pick<Sampler, 'find'>): Finder {
  return async promotionId => {
    const view = await sampler.find(promotionId)
    if (view === undefined) throw refusal('PROMOTION_NOT_FOUND', `promotion ${promotionId} does not exist`)
    return view
  }
}

interface Seen {
  around: Surroundings
  workers: readonly InstanceRecord[] | undefined
  entries: Pick<StreamCount, 'pending' | 'oldestLeasedMs'> | undefined
}

function viewOf(
  progress: PromotionProgress,
  { around, workers, entries }: Seen,
): Omit<PromotionView, keyof Estimate | 'verdict'> {
  const { id, gifts, rows, totalCount } = progress
  const { slots, slotsInUse } = slotsOf(id, workers ?? [])
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
