import type { PromotionProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'

/** Why a promotion is not done yet, told apart. `none`: it runs at the limit of its slots. */
export const BOTTLENECK_CODES = [
  'not-started',
  'paused',
  'stopped',
  'completed',
  'database-away',
  'redis-away',
  'no-worker',
  'no-listener',
  'credentials-refused',
  'breaker-open',
  'money-failing',
  'money-slow',
  'rate-limit',
  'database-slow',
  'kafka-lag',
  'waiting-for-gifts',
  'retries-paused',
  'only-retries',
  'unsettled',
  'starting',
  'none',
] as const

export type BottleneckCode = (typeof BOTTLENECK_CODES)[number]

export interface Bottleneck {
  code: BottleneckCode
  /** `bad` asks for a person, `wait` passes by itself, `good` is as it should be. */
  level: 'good' | 'wait' | 'bad'
  text: string
  /** What a person can do about it; missing where there is nothing to do. */
  remedy?: string
  /** ISO 8601; known of promotions that are watched. */
  since?: string
}

/** What is known of the installation at one moment. */
export interface Surroundings {
  /** Undefined: Redis does not answer. */
  instances: readonly InstanceRecord[] | undefined
  /** False: the Redis of the streams does not answer, which may be another one. */
  streamsAnswer: boolean
  /** Somebody paused the retry queue on the board. */
  retriesPaused: boolean
  /** How long the progress statement took; undefined: it failed. */
  databaseMs: number | undefined
  /** Messages of the gifts' topics that no listener has taken; undefined: Kafka does not answer. */
  kafkaLag: Readonly<Record<PromotionProgress['type'], number>> | undefined
  /** Does a listener read the topic of these gifts? undefined: Kafka does not answer. */
  hasListener?: Readonly<Record<PromotionProgress['type'], boolean>> | undefined
}

export const SLOW_DATABASE_MS = 500
const MUCH_LAG = 1000
/** Of the calls of ten seconds. */
const FEW_CALLS = 20
const MANY_FAIL = 0.1
const SLOW_MONEY_MS = 1000
const { format } = new Intl.NumberFormat('en')

/** Everything that slows a promotion down, the worst first; never empty. */
export function bottlenecks(promotion: PromotionProgress, around: Surroundings): Bottleneck[] {
  const still = stateOf(promotion)
  if (around.databaseMs === undefined) return [bad('database-away', 'PostgreSQL does not answer: nothing can be paid')]
  if (still !== undefined) return [still]
  const found = [...workersOf(promotion, around), ...serversOf(promotion, around)]
  const { PENDING: pending, RETRYING: retrying, UNKNOWN: unknown } = promotion.gifts
  if (retrying > 0 && around.retriesPaused) {
    found.push(bad('retries-paused', 'The retry queue is paused on the board: nothing is tried again'))
  } else if (pending === 0 && retrying > 0) {
    found.push(wait('only-retries', `${format(retrying)} gifts wait for their next attempt; nothing else is left`))
  }
  if (pending === 0 && retrying === 0 && found.length === 0) found.push(emptyOf(promotion, unknown))
  return found.length > 0 ? found : [runningOf(promotion, around)]
}

function stateOf({ status, gifts, pauseReason }: PromotionProgress): Bottleneck | undefined {
  switch (status) {
    case 'READY':
      return wait('not-started', 'Not started yet; gifts are taken and wait as rows')
    case 'PAUSED':
      return pauseReason
        ? bad('paused', `Paused by itself: ${pauseReason}; resume goes on, and counts anew`)
        : wait('paused', 'Paused by an operator')
    case 'STOPPED':
      return wait('stopped', 'Stopped by an operator; start resumes it')
    case 'COMPLETED':
      return gifts.UNKNOWN > 0
        ? bad('unsettled', `Completed, but of ${format(gifts.UNKNOWN)} gifts nobody said whether they were paid`)
        : good('completed', 'Completed')
    default:
      return undefined
  }
}

function workersOf({ id }: PromotionProgress, { instances, streamsAnswer }: Surroundings): Bottleneck[] {
  if (instances === undefined || !streamsAnswer)
    return [bad('redis-away', 'Redis does not answer: workers get no work')]
  if (instances.length === 0) return [bad('no-worker', 'No worker is alive')]
  const count = (is: (instance: InstanceRecord) => boolean) => instances.filter(is).length
  const all = instances.length
  const refused = count(instance => instance.credentialsRefused)
  const open = count(instance => instance.breaker !== 'closed')
  const limited = count(instance => instance.rateLimited)
  const found: Bottleneck[] = []
  if (refused > 0) found.push(bad('credentials-refused', 'The Money API refuses our credentials (MONEY_API_TOKEN)'))
  if (open > 0)
    found.push(
      bad(
        'breaker-open',
        `The Money API gives no usable answer${reasonOf(instances)}: ${format(open)} of ${format(all)} workers block their calls`,
      ),
    )
  if (refused + open === 0) found.push(...moneyOf(instances))
  if (limited > 0) found.push(wait('rate-limit', 'Calls wait for MONEY_API_RATE_LIMIT'))
  const has = count(instance => instance.promotions.some(({ promotionId }) => promotionId === id))
  if (has === 0 && found.length === 0) found.push(wait('starting', 'No worker has begun with it yet'))
  return found
}

/** What the workers' calls came to in the last ten seconds. */
function moneyOf(instances: readonly InstanceRecord[]): Bottleneck[] {
  const recent = instances.flatMap(({ recentCalls }) => recentCalls ?? [])
  const calls = recent.map(({ byMeaning }) => Object.values(byMeaning).reduce((sum, count) => sum + count, 0))
  const all = calls.reduce((sum, count) => sum + count, 0)
  if (all < FEW_CALLS) return []
  const failed = recent.reduce((sum, { failedShare }, index) => sum + failedShare * (calls[index] ?? 0), 0) / all
  const p99Ms = Math.max(...recent.map(recentCalls => recentCalls.p99Ms))
  const lastError = recent.find(recentCalls => recentCalls.lastError !== null)?.lastError
  if (failed >= MANY_FAIL)
    return [
      bad(
        'money-failing',
        `${Math.round(failed * 100)} % of the Money API's calls fail${lastError ? `, the last with ${lastError}` : ''}: their gifts are tried again with the same key`,
      ),
    ]
  if (p99Ms >= SLOW_MONEY_MS)
    return [wait('money-slow', `The Money API is slow: one call in a hundred takes ${format(p99Ms)} ms or more`)]
  return []
}

function reasonOf(instances: readonly InstanceRecord[]): string {
  const reason = instances.find(({ breakerReason }) => breakerReason)?.breakerReason
  return reason ? ` (${reason})` : ''
}

function serversOf(promotion: PromotionProgress, { databaseMs, kafkaLag, hasListener }: Surroundings): Bottleneck[] {
  const { type, gifts, rows, totalCount } = promotion
  const found: Bottleneck[] = []
  if ((databaseMs ?? 0) > SLOW_DATABASE_MS) {
    found.push(bad('database-slow', `PostgreSQL is slow: ${Math.round(databaseMs ?? 0)} ms for a small question`))
  }
  const lag = kafkaLag?.[type] ?? 0
  const isComplete = totalCount > 0 && rows >= totalCount
  if (hasListener?.[type] === false && !isComplete)
    found.push(bad('no-listener', `No listener is alive for its topic: ${format(lag)} messages wait there`))
  else if (lag > MUCH_LAG || (lag > 0 && gifts.PENDING === 0 && !isComplete))
    found.push(wait('kafka-lag', `${format(lag)} messages of its topic have not been taken by a listener yet`))
  return found
}

function emptyOf({ totalCount, rows }: PromotionProgress, unknown: number): Bottleneck {
  if (totalCount > 0 && rows >= totalCount) {
    return unknown > 0
      ? wait('unsettled', `All are done; ${format(unknown)} are UNKNOWN and do not keep it from completing`)
      : good('none', 'All are done; it completes in a moment')
  }
  const missing = totalCount > 0 ? ` (${format(totalCount - rows)} of ${format(totalCount)} are missing)` : ''
  return wait('waiting-for-gifts', `Everything that came is done; more gifts have to come through Kafka${missing}`)
}

function runningOf({ id }: PromotionProgress, { instances = [] }: Surroundings): Bottleneck {
  const { slots, slotsInUse } = slotsOf(id, instances)
  if (slotsInUse === 0) return wait('starting', 'Its gifts are on their way to a worker')
  const isFull = slotsInUse >= 0.9 * slots
  return good(
    'none',
    `Nothing${isFull ? ': it runs at its limit' : ''}, ${format(slotsInUse)} of ${format(slots)} slots in use`,
  )
}

/** A promotion's slots over all instances. */
export function slotsOf(
  promotionId: string,
  instances: readonly InstanceRecord[],
): { slots: number; slotsInUse: number } {
  let [slots, slotsInUse] = [0, 0]
  for (const { promotions } of instances) {
    const own = promotions.find(promotion => promotion.promotionId === promotionId)
    slots += own?.slots ?? 0
    slotsInUse += own?.slotsInUse ?? 0
  }
  return { slots, slotsInUse }
}

/** What an operator does about each; the others pass by themselves, or are nobody's fault. */
const REMEDIES: Partial<Record<BottleneckCode, string>> = {
  'not-started': 'Start it when its gifts are to be paid.',
  paused: 'Resume it when the reason is gone.',
  stopped: 'Start it to go on.',
  'database-away': 'Look at PostgreSQL and DATABASE_URL; everything goes on by itself when it answers.',
  'redis-away': 'Look at Redis, REDIS_URL and REDIS_STREAM_URL; nothing is lost, and everything goes on by itself.',
  'no-worker': 'Start a worker, or look at why the last one ended (its log, its exit code).',
  'no-listener': 'Start a listener, or look at why the last one ended; the messages stay in Kafka meanwhile.',
  'credentials-refused': 'Set MONEY_API_TOKEN to one that is valid, then resume the calls.',
  'breaker-open': 'Look at the Money API; a GET finds out when it is back, and calls go on by themselves.',
  'money-failing': 'Look at the Money API; if it fails for everybody, the breaker stops the calls by itself.',
  'money-slow': 'Ask those who run the Money API; fewer slots (WORKER_MAX_IN_FLIGHT) may make it faster.',
  'rate-limit': 'Raise MONEY_API_RATE_LIMIT if the Money API allows more.',
  'database-slow': 'Look at PostgreSQL: its load, locks and disk.',
  'kafka-lag': 'Add listeners, up to the number of partitions, if it grows.',
  'retries-paused': 'Resume the retry queue on the board.',
  unsettled: 'Ask the Money API about them (reconcile), or try them again.',
}

function bottleneck(level: Bottleneck['level'], code: BottleneckCode, text: string): Bottleneck {
  const remedy = REMEDIES[code]
  return { code, level, text, ...(remedy === undefined || level === 'good' ? {} : { remedy }) }
}

const good = (code: BottleneckCode, text: string) => bottleneck('good', code, text)
const wait = (code: BottleneckCode, text: string) => bottleneck('wait', code, text)
const bad = (code: BottleneckCode, text: string) => bottleneck('bad', code, text)
