import type { PromotionView } from '#admin/snapshot/sampler.ts'

/** All operations that a page has a button for; which of them are shown depends on the promotion's state. */
export const ACTIONS = [
  'start',
  'pause',
  'resume',
  'rebuild',
  'retry-unknown',
  'reconcile-unknown',
  'resume-calls',
  'stop',
  'finish',
] as const

export type Action = (typeof ACTIONS)[number]

/** Apart from the others, and confirmed with the promotion's name. */
export const DANGEROUS: readonly Action[] = ['stop', 'finish']

/** Confirmed, but not with the name. */
export const ASKED: readonly Action[] = ['retry-unknown', 'resume-calls']

export interface PromotionActions {
  /** Operations that its state allows. */
  actions: Action[]
  /** What is done with it next, as a rule; null: nothing. */
  primary: Action | null
}

export function promotionActions(view: PromotionView): PromotionActions {
  const actions = [...stateActions(view), ...unknownActions(view), ...moneyActions(view)]
  const primary = (['start', 'resume', 'resume-calls', 'pause', 'reconcile-unknown'] as const).find(action =>
    actions.includes(action),
  )
  return { actions, primary: primary ?? null }
}

/** Lifts what slows down every promotion, not this one alone. */
function moneyActions({ bottlenecks }: PromotionView): Action[] {
  return bottlenecks.some(({ code }) => code === 'credentials-refused') ? ['resume-calls'] : []
}

function unknownActions({ gifts }: PromotionView): Action[] {
  return gifts.UNKNOWN > 0 ? ['retry-unknown', 'reconcile-unknown'] : []
}

function stateActions({ status, gifts }: PromotionView): Action[] {
  const finish: Action[] = gifts.PENDING + gifts.RETRYING === 0 ? ['finish'] : []
  switch (status) {
    case 'READY':
      return ['start', 'stop']
    case 'IN_PROGRESS':
      return ['pause', 'stop', 'rebuild', ...finish]
    case 'PAUSED':
      return ['resume', 'stop', ...finish]
    case 'STOPPED':
      return ['start', ...finish]
    case 'COMPLETED':
      return []
  }
}
