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
  'credentials-refused',
  'breaker-open',
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
}

export const SLOW_DATABASE_MS = 500
const MUCH_LAG = 1000
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
  if (limited > 0) found.push(wait('rate-limit', 'Calls wait for MONEY_API_RATE_LIMIT'))
  const has = count(instance => instance.promotions.some(({ promotionId }) => promotionId === id))
  if (has === 0 && found.length === 0) found.push(wait('starting', 'No worker has begun with it yet'))
  return found
}

function reasonOf(instances: readonly InstanceRecord[]): string {
  const reason = instances.find(({ breakerReason }) => breakerReason)?.breakerReason
  return reason ? ` (${reason})` : ''
}

function serversOf({ type }: PromotionProgress, { databaseMs, kafkaLag }: Surroundings): Bottleneck[] {
  const found: Bottleneck[] = []
  if ((databaseMs ?? 0) > SLOW_DATABASE_MS) {
    found.push(bad('database-slow', `PostgreSQL is slow: ${Math.round(databaseMs ?? 0)} ms for a small question`))
  }
  const lag = kafkaLag?.[type] ?? 0
  if (lag > MUCH_LAG)
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

const good = (code: BottleneckCode, text: string): Bottleneck => ({ code, level: 'good', text })
const wait = (code: BottleneckCode, text: string): Bottleneck => ({ code, level: 'wait', text })
const bad = (code: BottleneckCode, text: string): Bottleneck => ({ code, level: 'bad', text })
