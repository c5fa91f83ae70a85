import type { GiftRecord } from '#database/gifts/gift-pages.ts'

/** One step on the way of a gift. */
export interface TimelineStep {
  step: 'kafka' | 'inserted' | 'added' | 'delivered' | 'attempts' | 'charge' | 'acked'
  state: 'done' | 'now' | 'open' | 'not-recorded'
  /** ISO 8601, UTC; null where no time is recorded. */
  at: string | null
  text: string
}

/** What Redis knows of a gift that is on its way. */
export interface GiftWhereabouts {
  /** Its entry, when it was found; `searched` says how far the search went. */
  entry?: { id: string; consumer?: string; idleMs?: number; deliveries?: number } | undefined
  searched: 'all' | 'part' | 'none'
  /** Its job in BullMQ's retry queue. */
  job?: { state: string; dueAt: string | null; attemptsMade: number; failedReason: string | null } | undefined
}

const FINAL = new Set(['SUCCESS', 'FAILED', 'UNKNOWN'])

/** Offset → inserted → added → delivered n times → attempts → charge → acked, and what of it nobody wrote down. */
export function giftTimeline(gift: GiftRecord, where: GiftWhereabouts): TimelineStep[] {
  return [kafkaStep(gift), insertedStep(gift), addedStep(gift, where), deliveredStep(gift, where)].concat(
    attemptsStep(gift, where),
    chargeStep(gift),
    ackedStep(gift, where),
  )
}

function kafkaStep({ kafkaPartition, kafkaOffset }: GiftRecord): TimelineStep {
  const isKnown = kafkaPartition !== null && kafkaOffset !== null
  return {
    step: 'kafka',
    state: isKnown ? 'done' : 'not-recorded',
    at: null,
    text: isKnown ? `partition ${kafkaPartition}, offset ${kafkaOffset}` : 'where it stood in Kafka is not recorded',
  }
}

function insertedStep({ createdAt }: GiftRecord): TimelineStep {
  return { step: 'inserted', state: 'done', at: createdAt, text: 'saved as a row, PENDING' }
}

function addedStep({ enqueued }: GiftRecord, { entry }: GiftWhereabouts): TimelineStep {
  if (entry !== undefined) {
    const at = new Date(Number(entry.id.split('-')[0])).toISOString()
    return { step: 'added', state: 'done', at, text: `on the stream as ${entry.id}` }
  }
  return enqueued
    ? { step: 'added', state: 'done', at: null, text: 'was put on the stream; when is not recorded' }
    : { step: 'added', state: 'open', at: null, text: 'not put on the stream yet: it waits as a row' }
}

function deliveredStep({ processStatus, enqueued }: GiftRecord, where: GiftWhereabouts): TimelineStep {
  const { entry, searched } = where
  const base = { step: 'delivered', at: null } as const
  if (entry?.deliveries !== undefined) {
    const seconds = Math.round((entry.idleMs ?? 0) / 1000)
    const text = `delivered ${entry.deliveries} times; leased by ${entry.consumer}, renewed ${seconds} s ago`
    return { ...base, state: 'now', text }
  }
  if (entry !== undefined) return { ...base, state: 'open', text: 'not delivered to a worker yet' }
  if (processStatus !== 'PENDING') {
    return { ...base, state: 'not-recorded', text: 'its entry is gone: how often it was delivered is not recorded' }
  }
  if (!enqueued) return { ...base, state: 'open', text: 'not delivered yet' }
  const text =
    searched === 'all'
      ? 'its entry is not on the stream; upkeep will put it back'
      : 'its entry was not found among the oldest ones of the stream'
  return { ...base, state: 'not-recorded', text }
}

function attemptsStep(
  { attempts, errorCode, errorMessage, updatedAt }: GiftRecord,
  { job }: GiftWhereabouts,
): TimelineStep {
  const calls = attempts === 1 ? '1 POST' : `${attempts} POSTs`
  const error = errorCode === null ? '' : `; last error ${errorCode}: ${errorMessage ?? ''}`
  const next = job === undefined ? '' : `; retry job ${job.state}${job.dueAt === null ? '' : `, due ${job.dueAt}`}`
  const at = errorCode === null ? null : updatedAt
  return {
    step: 'attempts',
    state: attempts > 0 ? (job === undefined ? 'done' : 'now') : 'open',
    at,
    text: attempts === 0 && error === '' ? `no POST has been counted yet${next}` : `${calls} counted${error}${next}`,
  }
}

function chargeStep({ processStatus, moneyKey, updatedAt }: GiftRecord): TimelineStep {
  const base = { step: 'charge', at: updatedAt } as const
  switch (processStatus) {
    case 'SUCCESS':
      return { ...base, state: 'done', text: `charged, money key ${moneyKey ?? ''}` }
    case 'FAILED':
      return { ...base, state: 'done', text: 'refused by the Money API, which holds no charge' }
    case 'UNKNOWN':
      return { ...base, state: 'now', text: 'nobody said whether it was charged' }
    default:
      return { ...base, at: null, state: 'open', text: 'not charged yet, as far as is known' }
  }
}

function ackedStep({ processStatus }: GiftRecord, { entry, searched }: GiftWhereabouts): TimelineStep {
  const base = { step: 'acked', at: null } as const
  if (entry !== undefined) return { ...base, state: 'open', text: 'its entry is still there' }
  if (!FINAL.has(processStatus) && processStatus !== 'RETRYING') return { ...base, state: 'open', text: 'not yet' }
  const sought = searched === 'all' ? 'its entry is gone from the stream' : 'acknowledged after the commit'
  return { ...base, state: 'not-recorded', text: `${sought}; when is not recorded` }
}
