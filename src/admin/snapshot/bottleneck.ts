import type { Texts } from '#admin/texts/texts.ts'
import type { AuditRun } from '#database/audit-runs.ts'
import type { PromotionProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { BOTTLENECK_CODES, type Bottleneck, type BottleneckCode, bad, good, wait } from './cause.ts'
import { moneyCauses } from './money-causes.ts'

/** What slows down all that run: said once for them. */
const OF_THE_INSTALLATION = new Set<BottleneckCode>([
  'database-away',
  'redis-away',
  'no-worker',
  'credentials-refused',
  'breaker-open',
  'kafka-away',
  'money-failing',
  'retries-paused',
  'database-slow',
  'rate-limit',
  'money-slow',
])

type ByType<T> = Readonly<Record<PromotionType, T>>

/** What is known of the installation at one moment. */
export interface Surroundings {
  /** Undefined: Redis does not answer. */
  instances: readonly InstanceRecord[] | undefined
  /** False: the Redis of the streams does not answer, which may be another one. */
  streamsAnswer: boolean
  /** Somebody paused the retry queue on the board. */
  retriesPaused: boolean
  /** How long the progress statement took; undefined: it failed, or is not answered yet. */
  databaseMs: number | undefined
  /** Messages of the gifts' topics that no listener has taken; undefined: not known. */
  kafkaLag: ByType<number> | undefined
  /** Kafka was asked, and did not answer. */
  kafkaAway?: boolean
  /** Does a listener read the topic of these gifts? undefined: not known. */
  hasListener?: ByType<boolean> | undefined
  /** The last audits that were recorded. */
  auditRuns?: readonly (AuditRun & { atSeconds: number })[]
}

export const SLOW_DATABASE_MS = 500

/** Everything that slows a promotion down, the cause of others first; never empty. */
export function bottlenecks(promotion: PromotionProgress, around: Surroundings): Bottleneck[] {
  const still = stateOf(promotion)
  if (still !== undefined) return [still]
  if (around.databaseMs === undefined) return [bad('database-away', t => t.bottleneck.databaseAway)]
  const found = [...workersOf(promotion, around), ...serversOf(promotion, around)]
  const { PENDING: pending, RETRYING: retrying, UNKNOWN: unknown } = promotion.gifts
  if (retrying > 0 && around.retriesPaused) found.push(bad('retries-paused', t => t.bottleneck.retriesPaused))
  else if (pending === 0 && retrying > 0) found.push(wait('only-retries', t => t.bottleneck.onlyRetries(retrying)))
  if (pending === 0 && retrying === 0 && found.length === 0) found.push(emptyOf(promotion, unknown))
  if (found.length === 0) found.push(...slotsCause(promotion, around))
  return found.length > 0 ? found.sort(byCause) : [runningOf(promotion, around)]
}

const rank = (code: BottleneckCode) => BOTTLENECK_CODES.indexOf(code)

function byCause(one: Bottleneck, other: Bottleneck): number {
  return Number(other.level === 'bad') - Number(one.level === 'bad') || rank(one.code) - rank(other.code)
}

/** Is it said of every promotion that runs, and so once for all of them? */
function isOfTheInstallation({ code, level }: Omit<Bottleneck, 'text'>): boolean {
  return level !== 'good' && OF_THE_INSTALLATION.has(code)
}

/** Whoever looks at its gifts sees nothing that could still move by itself: whatever else is wrong is not its matter. */
function stateOf({ status, gifts, pauseReason, finishedAt }: PromotionProgress): Bottleneck | undefined {
  const ended = finishedAt === null ? {} : { since: finishedAt }
  switch (status) {
    case 'READY':
      return wait('not-started', t => t.bottleneck.notStarted)
    case 'PAUSED':
      return pauseReason
        ? bad('paused', t => t.bottleneck.pausedByItself(pauseReason))
        : wait('paused', t => t.bottleneck.paused)
    case 'STOPPED':
      return { ...wait('stopped', t => t.bottleneck.stopped), ...ended }
    case 'COMPLETED':
      return gifts.UNKNOWN > 0
        ? { ...bad('unsettled', t => t.bottleneck.completedUnsettled(gifts.UNKNOWN)), ...ended }
        : { ...good('completed', t => t.bottleneck.completed), ...ended }
    default:
      return undefined
  }
}

function workersOf({ id }: PromotionProgress, { instances, streamsAnswer }: Surroundings): Bottleneck[] {
  if (instances === undefined || !streamsAnswer) return [bad('redis-away', t => t.bottleneck.redisAway)]
  if (instances.length === 0) return [bad('no-worker', t => t.bottleneck.noWorker)]
  const found = moneyCauses(instances)
  const has = instances.some(instance => instance.promotions.some(({ promotionId }) => promotionId === id))
  if (!has && found.length === 0) found.push(wait('starting', t => t.bottleneck.startingSoon))
  return found
}

function serversOf(promotion: PromotionProgress, around: Surroundings): Bottleneck[] {
  const { id, type, gifts, rows, totalCount } = promotion
  const { databaseMs = 0, kafkaLag, kafkaAway, hasListener, instances = [] } = around
  const found: Bottleneck[] = []
  if (databaseMs > SLOW_DATABASE_MS) found.push(bad('database-slow', t => t.bottleneck.databaseSlow(databaseMs)))
  if (totalCount > 0 && rows >= totalCount) return found
  const lag = kafkaLag?.[type] ?? 0
  // Workers that have more than they can take do not wait for a listener.
  const { slots } = slotsOf(id, instances)
  const isStarving = gifts.PENDING <= slots
  if (hasListener?.[type] === false) found.push(bad('no-listener', t => t.bottleneck.noListener(lag)))
  else if (kafkaAway === true && kafkaLag === undefined) found.push(bad('kafka-away', t => t.bottleneck.kafkaAway))
  else if (lag > 0 && isStarving) {
    // Kafka is asked now and then: fewer messages than slots are on their way at any moment.
    found.push({ ...wait('kafka-lag', t => t.bottleneck.kafkaLag(lag)), isSmall: lag <= slots })
  }
  return found
}

function emptyOf({ totalCount, rows }: PromotionProgress, unknown: number): Bottleneck {
  if (totalCount > 0 && rows >= totalCount) {
    return unknown > 0
      ? wait('unsettled', t => t.bottleneck.allDoneUnsettled(unknown))
      : good('none', t => t.bottleneck.allDone)
  }
  if (totalCount === 0) return wait('waiting-for-gifts', t => t.bottleneck.waitingForGifts)
  return wait('waiting-for-gifts', t => t.bottleneck.giftsMissing(totalCount - rows, totalCount))
}

const isFull = (slots: number, slotsInUse: number) => slotsInUse >= 0.9 * slots

/** It has fewer slots than it could use: an operator set them, or its process has no more. */
function slotsCause(promotion: PromotionProgress, { instances = [] }: Surroundings): Bottleneck[] {
  const { id, gifts, consumersPerInstance } = promotion
  const { slots, slotsInUse, wanted } = slotsOf(id, instances)
  const waiting = gifts.PENDING - slotsInUse
  if (slots === 0 || waiting <= 0 || !isFull(slots, slotsInUse)) return []
  if (consumersPerInstance) return [wait('slots', t => t.bottleneck.slotsSet(slots, waiting, consumersPerInstance))]
  return wanted > slots ? [wait('slots', t => t.bottleneck.slotsFew(slots, waiting, wanted))] : []
}

function runningOf({ id }: PromotionProgress, { instances = [] }: Surroundings): Bottleneck {
  const { slots, slotsInUse } = slotsOf(id, instances)
  if (slotsInUse === 0) return wait('starting', t => t.bottleneck.onTheirWay)
  const isAtLimit = isFull(slots, slotsInUse)
  return good('none', t => (isAtLimit ? t.bottleneck.atItsLimit : t.bottleneck.running)(slotsInUse, slots))
}

/** A promotion's slots over all instances. */
export function slotsOf(promotionId: string, instances: readonly InstanceRecord[]) {
  const sum = { slots: 0, slotsInUse: 0, wanted: 0 }
  for (const { promotions } of instances) {
    const own = promotions.find(promotion => promotion.promotionId === promotionId)
    sum.slots += own?.slots ?? 0
    sum.slotsInUse += own?.slotsInUse ?? 0
    sum.wanted += own?.slotsWanted ?? own?.slots ?? 0
  }
  return sum
}

/** A bottleneck as it is read. */
export interface BottleneckInWords extends Omit<Bottleneck, 'text'> {
  levelText: string
  text: string
  /** It slows down all that run: a list of promotions says it once. */
  isShared: boolean
  /** What a person can do about it; missing where there is nothing to do. */
  remedy?: string
}

export function bottleneckInWords({ text, isSmall: _, ...bottleneck }: Bottleneck, texts: Texts): BottleneckInWords {
  const remedy = bottleneck.level === 'good' ? undefined : texts.bottleneck.remedies[bottleneck.code]
  const levelText = texts.bottleneck.levels[bottleneck.level]
  const isShared = isOfTheInstallation(bottleneck)
  return { ...bottleneck, isShared, levelText, text: text(texts), ...(remedy === undefined ? {} : { remedy }) }
}
