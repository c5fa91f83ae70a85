import type { Kysely } from 'kysely'
import { lastAuditRuns } from '#database/audit-runs.ts'
import { type PromotionProgress, readProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import type { ProcessReports } from '#promotion/consumers/process-reports.ts'
import { byGiftType, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { answerOr, within } from '#runtime/within.ts'
import type { Surroundings } from './bottleneck.ts'
import { remembered } from './remembered.ts'
import type { StreamCount, StreamCounter } from './streams.ts'

export interface ObserverDeps {
  kysely: Kysely<unknown>
  streams: StreamCounter
  /** Workers and listeners that have reported lately. */
  listReports(): Promise<ProcessReports<InstanceRecord>>
  kafkaLag(type: PromotionType): Promise<number>
  /** Does any listener read the topic of these gifts? Asked where none has reported. */
  hasListener(type: PromotionType): Promise<boolean>
  retriesPaused(): Promise<boolean>
  logger: Logger
}

/** Each snapshot asks anew. */
const REPORTS_MAX_AGE_MS = 800
const RETRIES_MAX_AGE_MS = 2000
const KAFKA_MAX_AGE_MS = 2000
const AUDIT_RUNS_MAX_AGE_MS = 15_000
/** A Redis that hangs must not keep the rest of the picture waiting. */
const STREAMS_WITHIN_MS = 1000
/** Nor must a PostgreSQL that hangs: its own time limit is longer than a person should wait to hear of it. */
const DATABASE_WITHIN_MS = 2500

type Counts = ReadonlyMap<string, StreamCount>

/** One look at PostgreSQL, Redis and Kafka. What does not answer is undefined; `previous` stands in for PostgreSQL. */
export function createObserver(deps: ObserverDeps) {
  const ofTypes = <T>(maxAgeMs: number, ask: (type: PromotionType) => Promise<T>, none: T) =>
    remembered(maxAgeMs, async () => {
      const found = byGiftType(() => none)
      await Promise.all(
        PROMOTION_TYPES.map(async type => {
          found[type] = await ask(type)
        }),
      )
      return found
    })
  const reports = remembered(REPORTS_MAX_AGE_MS, deps.listReports)
  const auditRuns = remembered(AUDIT_RUNS_MAX_AGE_MS, () => lastAuditRuns(deps.kysely))
  const retriesPaused = remembered(RETRIES_MAX_AGE_MS, deps.retriesPaused)
  const members = ofTypes(KAFKA_MAX_AGE_MS, deps.hasListener, false)
  const kafkaLag = ofTypes(KAFKA_MAX_AGE_MS, deps.kafkaLag, 0)
  const readDatabase = createDatabaseReader(deps)

  const hasListener = (seen: ProcessReports<InstanceRecord> | undefined) => {
    if (seen === undefined) return undefined
    if (seen.listeners.length > 0) return byGiftType(() => true)
    // Kafka counts one that was killed as a member for its session time-out; its reports end at once.
    return seen.hadListener ? byGiftType(() => false) : members.soon()
  }
  return async (previous: readonly PromotionProgress[]) => {
    const [read, seen, lag, areRetriesPaused] = await Promise.all([
      readDatabase(previous),
      reports(),
      kafkaLag.soon(),
      retriesPaused(),
    ])
    const counts =
      seen === undefined
        ? undefined
        : await answerOr<Counts | undefined>(deps.streams.read(read.promotions), undefined, STREAMS_WITHIN_MS)
    const around: Surroundings = {
      instances: seen?.workers,
      streamsAnswer: counts !== undefined,
      databaseMs: read.databaseMs,
      kafkaLag: lag,
      kafkaAway: kafkaLag.hasFailed(),
      hasListener: hasListener(seen),
      retriesPaused: areRetriesPaused ?? false,
      auditRuns: auditRuns.soon() ?? [],
    }
    return { promotions: read.promotions, around, counts }
  }
}

interface DatabaseRead {
  promotions: readonly PromotionProgress[]
  /** How long it took; undefined: it failed, or is not answered yet. */
  databaseMs: number | undefined
}

/** Asks once at a time: a statement that hangs is not joined by another one each second. */
function createDatabaseReader({ kysely, logger }: ObserverDeps) {
  let underWay: Promise<DatabaseRead | undefined> | undefined
  const read = async (): Promise<DatabaseRead | undefined> => {
    const startedAt = performance.now()
    try {
      const promotions = await readProgress(kysely, 'watched')
      return { promotions, databaseMs: performance.now() - startedAt }
    } catch (error) {
      logger.warn({ err: toError(error) }, `progress cannot be read: ${errorLine(error)}`)
      return undefined
    }
  }
  return async (previous: readonly PromotionProgress[]): Promise<DatabaseRead> => {
    underWay ??= read().finally(() => {
      underWay = undefined
    })
    const answer = await within(underWay, DATABASE_WITHIN_MS, () => undefined)
    return answer ?? { promotions: previous, databaseMs: undefined }
  }
}
