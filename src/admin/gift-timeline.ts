import type { Text, Texts } from '#admin/texts/texts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'

/** One step on the way of a gift. */
export interface TimelineStep {
  step: 'kafka' | 'inserted' | 'added' | 'delivered' | 'attempts' | 'charge' | 'acked'
  state: 'done' | 'now' | 'open' | 'not-recorded'
  /** ISO 8601, UTC; null where no time is recorded. */
  at: string | null
  text: Text
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
    text: ({ gift }) => (isKnown ? gift.place(kafkaPartition, kafkaOffset) : gift.placeNotRecorded),
  }
}

function insertedStep({ createdAt }: GiftRecord): TimelineStep {
  return { step: 'inserted', state: 'done', at: createdAt, text: ({ gift }) => gift.savedAsRow }
}

function addedStep({ enqueued }: GiftRecord, { entry }: GiftWhereabouts): TimelineStep {
  if (entry !== undefined) {
    const at = new Date(Number(entry.id.split('-')[0])).toISOString()
    return { step: 'added', state: 'done', at, text: ({ gift }) => gift.onStream(entry.id) }
  }
  return enqueued
    ? { step: 'added', state: 'done', at: null, text: ({ gift }) => gift.wasOnStream }
    : { step: 'added', state: 'open', at: null, text: ({ gift }) => gift.notOnStream }
}

function deliveredStep({ processStatus, enqueued }: GiftRecord, where: GiftWhereabouts): TimelineStep {
  const { entry, searched } = where
  const base = { step: 'delivered', at: null } as const
  if (entry?.deliveries !== undefined) {
    const seconds = Math.round((entry.idleMs ?? 0) / 1000)
    const { deliveries, consumer = '' } = entry
    const text: Text = ({ gift }) => gift.delivered(deliveries, consumer, seconds)
    return { ...base, state: 'now', text }
  }
  if (entry !== undefined) return { ...base, state: 'open', text: ({ gift }) => gift.notDelivered }
  if (processStatus !== 'PENDING') {
    return { ...base, state: 'not-recorded', text: ({ gift }) => gift.entryGone }
  }
  if (!enqueued) return { ...base, state: 'open', text: ({ gift }) => gift.notDelivered }
  const text: Text = ({ gift }) => (searched === 'all' ? gift.entryToComeBack : gift.entryNotFound)
  return { ...base, state: 'not-recorded', text }
}

function attemptsStep(gift: GiftRecord, { job: found }: GiftWhereabouts): TimelineStep {
  const { attempts, errorCode, updatedAt, processStatus } = gift
  // A job outlives its gift for a while; what is settled has nothing to be tried.
  const job = processStatus === 'SUCCESS' || processStatus === 'FAILED' ? undefined : found
  return {
    step: 'attempts',
    state: attempts > 0 ? (job === undefined ? 'done' : 'now') : 'open',
    at: errorCode === null ? null : updatedAt,
    text: texts => attemptsText(gift, job, texts),
  }
}

function attemptsText(
  { attempts, errorCode, errorMessage }: GiftRecord,
  job: GiftWhereabouts['job'],
  { gift }: Texts,
): string {
  const posts = attempts === 0 && errorCode === null ? gift.noPost : gift.postCount(attempts)
  const error = errorCode === null ? '' : gift.lastErrorWas(`${errorCode}: ${errorMessage ?? ''}`)
  if (job === undefined) return `${posts}${error}`
  const due = job.dueAt === null ? '' : gift.retryDue(job.dueAt)
  return `${posts}${error}${gift.retryJob(job.state)}${due}`
}

function chargeStep({ processStatus, moneyKey, updatedAt }: GiftRecord): TimelineStep {
  const base = { step: 'charge', at: updatedAt } as const
  switch (processStatus) {
    case 'SUCCESS':
      return { ...base, state: 'done', text: ({ gift }) => gift.charged(moneyKey ?? '') }
    case 'FAILED':
      return { ...base, state: 'done', text: ({ gift }) => gift.refused }
    case 'UNKNOWN':
      return { ...base, state: 'now', text: ({ gift }) => gift.nobodySaid }
    default:
      return { ...base, at: null, state: 'open', text: ({ gift }) => gift.notCharged }
  }
}

function ackedStep({ processStatus }: GiftRecord, { entry, searched }: GiftWhereabouts): TimelineStep {
  const base = { step: 'acked', at: null } as const
  if (entry !== undefined) return { ...base, state: 'open', text: ({ gift }) => gift.entryStillThere }
  if (!FINAL.has(processStatus) && processStatus !== 'RETRYING')
    return { ...base, state: 'open', text: ({ gift }) => gift.notYet }
  const text: Text = ({ gift }) => (searched === 'all' ? gift.goneFromStream : gift.ackedAfterCommit)
  return { ...base, state: 'not-recorded', text }
}

/** The way as it is read. */
export function timelineInWords(timeline: readonly TimelineStep[], texts: Texts) {
  return timeline.map(({ text, ...step }) => ({ ...step, text: text(texts) }))
}
