import { type BottleneckInWords, bottleneckInWords } from '#admin/snapshot/bottleneck.ts'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import { NO_FIGURE } from '#admin/texts/format.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { type PromotionActions, promotionActions } from './promotion-actions.ts'

/** A promotion in words, for its page and for what keeps it live: one place decides how a number looks. */
export interface PromotionFields extends PromotionActions {
  id: string
  /** What it is called, or its number. */
  title: string
  type: PromotionType
  status: PromotionStatus
  /** How its state looks: one that ended with failures is not as good as one without. */
  look: 'plain' | 'good' | 'wait' | 'bad'
  /** Done of expected, in percent; null while nobody knows how many there will be. */
  percent: number | null
  text: Readonly<Record<string, string>>
  /** What a text means more exactly, on hover. */
  hints: Readonly<Record<string, string>>
  /** ISO 8601; null where there is none. */
  times: Readonly<Record<'started' | 'finished' | 'deadline' | 'likelyEnd', string | null>>
  /** Nothing has come yet: its page tells how to publish. */
  isEmpty: boolean
  bottlenecks: BottleneckInWords[]
}

export function toFields(view: PromotionView, texts: Texts, nowMs: number = Date.now()): PromotionFields {
  const { promotion, format } = texts
  const { id, name, status, gifts, done, expected, rows, totalCount, waiting, active, slots, slotsInUse } = view
  const share = expected > 0 ? Math.min(1, done / expected) : null
  const isKnown = totalCount > 0 || rows > 0
  const { number } = format
  return {
    id,
    title: name === '' ? promotion.promotion(id) : name,
    type: view.type,
    status,
    look: lookOf(view),
    percent: share === null ? null : Math.floor(share * 1000) / 10,
    bottlenecks: view.bottlenecks.map(bottleneck => bottleneckInWords(bottleneck, texts)),
    ...promotionActions(view),
    times: {
      started: view.startedAt,
      finished: view.finishedAt,
      deadline: view.deadlineAt ?? null,
      likelyEnd: view.verdict?.likely ?? null,
    },
    hints: hintsOf(view, texts),
    isEmpty: rows === 0 && (status === 'READY' || status === 'IN_PROGRESS'),
    text: {
      status: statusText(view, texts),
      progress: isKnown ? promotion.doneOf(done, expected) : promotion.doneOfUnknown(done),
      percent: share === null ? NO_FIGURE : format.percent(share),
      ...timesText(view, texts, nowMs),
      verdict: verdictText(view, texts),
      success: number(gifts.SUCCESS),
      failed: number(gifts.FAILED),
      retrying: number(gifts.RETRYING),
      unknown: number(gifts.UNKNOWN),
      waiting: number(waiting),
      active: number(active),
      slots: promotion.usedOf(slotsInUse, slots),
    },
  }
}

/** What an ended promotion lacks. */
function flawsOf({ gifts, rows, totalCount }: PromotionView, { promotion }: Texts): string[] {
  const missing = totalCount > 0 ? totalCount - rows : 0
  return [
    ...(gifts.FAILED > 0 ? [promotion.withFailed(gifts.FAILED)] : []),
    ...(gifts.UNKNOWN > 0 ? [promotion.withUnknown(gifts.UNKNOWN)] : []),
    ...(missing > 0 ? [promotion.withMissing(missing)] : []),
    ...(missing < 0 ? [promotion.withMore(-missing)] : []),
  ]
}

/** While the first gifts are confirmed, the others wait. */
function canaryOf({ canaryGifts, canaryConfirmed = 0 }: PromotionView, { promotion }: Texts): string[] {
  const isUnderWay = canaryGifts != null && canaryConfirmed < canaryGifts
  return isUnderWay ? [promotion.canary(canaryConfirmed, canaryGifts)] : []
}

function statusText(view: PromotionView, texts: Texts): string {
  const { promotion } = texts
  const status = promotion.statuses[view.status]
  const flaws = view.status === 'COMPLETED' ? flawsOf(view, texts) : canaryOf(view, texts)
  return flaws.length === 0 ? status : promotion.endedWith(status, flaws.join(', '))
}

function lookOf({ status, gifts, rows, totalCount }: PromotionView): PromotionFields['look'] {
  switch (status) {
    case 'READY':
      return 'plain'
    case 'IN_PROGRESS':
      return 'good'
    case 'PAUSED':
      return 'wait'
    case 'STOPPED':
      return 'bad'
    case 'COMPLETED':
      if (gifts.UNKNOWN > 0 || (totalCount > 0 && rows < totalCount)) return 'bad'
      return gifts.FAILED > 0 ? 'wait' : 'good'
  }
}

function timesText(view: PromotionView, { promotion, format }: Texts, nowMs: number): Record<string, string> {
  const { startedAt, finishedAt, done, status, perSecond, eta } = view
  const rate = (gifts: number) => promotion.perSecond(Math.round(gifts))
  const seconds =
    startedAt === null ? 0 : ((finishedAt === null ? nowMs : Date.parse(finishedAt)) - Date.parse(startedAt)) / 1000
  const isRunning = status === 'IN_PROGRESS'
  const left =
    eta === null || perSecond < 0.5 ? promotion.unknownTime : promotion.likelyTime(format.duration(eta.likely))
  return {
    rate: isRunning ? rate(perSecond) : NO_FIGURE,
    average: seconds > 0 ? rate(done / seconds) : NO_FIGURE,
    duration: seconds > 0 ? format.duration(seconds) : NO_FIGURE,
    eta: isRunning ? left : NO_FIGURE,
  }
}

/** Will it be done by its deadline? Else for how long not, and what is in the way. */
export function verdictText(
  { verdict, perSecond, bottlenecks }: Pick<PromotionView, 'verdict' | 'perSecond' | 'bottlenecks'>,
  texts: Texts,
): string {
  const { promotion, format } = texts
  if (verdict === null) return NO_FIGURE
  const spare = format.duration(Math.abs(verdict.spareS))
  if (verdict.isInTime) return promotion.inTime(spare)
  const cause = bottlenecks.find(({ level }) => level !== 'good')
  const why = cause === undefined ? promotion.perSecond(Math.round(perSecond)) : bottleneckInWords(cause, texts).text
  return promotion.tooLate(spare, why)
}

function hintsOf(
  { eta, deadlineAt, finishedAt, status }: PromotionView,
  { promotion, format }: Texts,
): Record<string, string> {
  const hints: Record<string, string> = {}
  if (status === 'IN_PROGRESS' && eta !== null && eta.soonest !== eta.latest)
    hints.eta = promotion.etaRange(format.duration(eta.soonest), format.duration(eta.latest))
  const end = finishedAt === null ? Date.now() : Date.parse(finishedAt)
  const lateS = deadlineAt ? (end - Date.parse(deadlineAt)) / 1000 : 0
  if (lateS > 0) hints.deadline = promotion.lateBy(format.duration(lateS))
  return hints
}
