import type { Bottleneck } from '#admin/snapshot/bottleneck.ts'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'

/** A promotion in words, for its page and for what keeps it live: one place decides how a number looks. */
export interface PromotionFields {
  id: string
  status: PromotionStatus
  /** Done of expected, in percent; null while nobody knows how many there will be. */
  percent: number | null
  text: Readonly<Record<string, string>>
  bottlenecks: Bottleneck[]
  /** Operations that its state allows. */
  actions: string[]
}

const number = new Intl.NumberFormat('en')
const STATUS_TEXT: Readonly<Record<PromotionStatus, string>> = {
  READY: 'Ready',
  IN_PROGRESS: 'In progress',
  PAUSED: 'Paused',
  COMPLETED: 'Completed',
  STOPPED: 'Stopped',
}

export function toFields(view: PromotionView): PromotionFields {
  const { id, status, gifts, done, expected, rows, totalCount, waiting, active, slots, slotsInUse } = view
  const percent = expected > 0 ? Math.min(100, Math.floor((done * 1000) / expected) / 10) : null
  const isKnown = totalCount > 0
  return {
    id,
    status,
    percent,
    bottlenecks: view.bottlenecks,
    actions: [...allowedActions(view), ...moneyActions(view)],
    text: {
      status: STATUS_TEXT[status],
      progress: `${number.format(done)} of ${isKnown || rows > 0 ? number.format(expected) : 'an unknown number'} gifts`,
      percent: percent === null ? '–' : `${percent} %`,
      rate: `${number.format(Math.round(view.perSecond))}/s`,
      eta: etaText(view),
      success: number.format(gifts.SUCCESS),
      failed: number.format(gifts.FAILED),
      retrying: number.format(gifts.RETRYING),
      unknown: number.format(gifts.UNKNOWN),
      waiting: number.format(waiting),
      active: number.format(active),
      slots: `${number.format(slotsInUse)} of ${number.format(slots)}`,
    },
  }
}

function etaText({ eta, status }: PromotionView): string {
  if (status !== 'IN_PROGRESS') return '–'
  if (eta === null) return 'not known'
  const { likely, soonest, latest } = eta
  const range = soonest === latest ? '' : ` (${duration(soonest)} to ${duration(latest)})`
  return `${duration(likely)}${range}`
}

/** Two units at most: a range of minutes needs no seconds. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60)
    return seconds < 600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`
}

/** Lifts what holds every promotion up, not this one alone. */
function moneyActions({ bottlenecks }: PromotionView): string[] {
  return bottlenecks.some(({ code }) => code === 'credentials-refused') ? ['resume-calls'] : []
}

function allowedActions({ status, gifts }: PromotionView): string[] {
  const unknown = gifts.UNKNOWN > 0 ? ['retry-unknown', 'reconcile-unknown'] : []
  const isSettled = gifts.PENDING + gifts.RETRYING === 0
  const finish = isSettled ? ['finish'] : []
  switch (status) {
    case 'READY':
      return ['start', 'stop', ...unknown]
    case 'IN_PROGRESS':
      return ['pause', 'stop', 'rebuild', ...finish, ...unknown]
    case 'PAUSED':
      return ['resume', 'stop', ...finish, ...unknown]
    case 'STOPPED':
      return ['start', ...finish, ...unknown]
    case 'COMPLETED':
      return unknown
  }
}
