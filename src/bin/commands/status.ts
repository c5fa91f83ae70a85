import { Command } from 'commander'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { CodedError } from '#runtime/errors.ts'
import { parseId, print } from './command-line.ts'
import { type CommandContext, withDatabase } from './context.ts'
import { type TimedVerdict, verdictsOf } from './deadline-verdict.ts'

const MAX_LISTED = 100

type PromotionReport = Promotion & { rows: number; gifts: Record<ProcessStatus, number> } & Partial<TimedVerdict>

export const statusCommand = new Command('status')
  .description('how far promotions are: the newest 100, or one')
  .argument('[id]', 'the promotion', parseId)
  .option('--json', 'print one JSON value')
  .addHelpText('after', '\nExample:\n  promostream status 42 --json')
  .action(async (id: string | undefined, options: { json?: boolean }) => {
    const reports = await withDatabase(context => report(id, context))
    const [one] = id === undefined ? [] : reports
    print(options, one ?? reports, () => {
      if (one !== undefined) return [toLine(one), ...nextStep(one)]
      return reports.length === 0 ? ['no promotions'] : reports.map(toLine)
    })
  })

async function report(id: string | undefined, { promotions, database }: CommandContext): Promise<PromotionReport[]> {
  const one = id === undefined ? undefined : await promotions.find(id)
  if (id !== undefined && one === undefined)
    throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
  const listed = one === undefined ? await promotions.list(MAX_LISTED) : [one]
  const verdicts = await verdictsOf(database.kysely, listed)
  const reports: PromotionReport[] = []
  for (const promotion of listed) {
    const gifts = await promotions.countByStatus(promotion)
    const rows = Object.values(gifts).reduce((sum, count) => sum + count, 0)
    reports.push({ ...promotion, gifts, rows, ...verdicts.get(promotion.id) })
  }
  return reports
}

function toLine(report: PromotionReport): string {
  const { id, name, type, status, totalCount, rows, gifts, pauseReason, canaryGifts, canaryConfirmed } = report
  const states = PROCESS_STATUSES.filter(state => gifts[state] > 0).map(state => `${state} ${gifts[state]}`)
  const total = totalCount > 0 ? ` of ${totalCount}` : ''
  const why = pauseReason ? `\n  paused by itself: ${pauseReason}` : ''
  const canary = canaryGifts == null ? '' : `\n  canary: ${canaryConfirmed} of the first ${canaryGifts} gifts confirmed`
  return (
    `${id}  ${type}  ${status}  ${rows}${total} gifts  ${states.join('  ')}  ${name}`.trimEnd() +
    why +
    canary +
    deadlineLine(report)
  )
}

/** What a person has to do before it goes on; nothing while it goes on by itself. */
function nextStep({ id, status, totalCount, rows, gifts }: PromotionReport): string[] {
  const steps: string[] = []
  if (status === 'READY') steps.push(`not started: gifts are taken, and paid after «promostream start ${id}»`)
  const isDone = gifts.PENDING + gifts.RETRYING === 0
  if (status === 'IN_PROGRESS' && isDone && totalCount === 0)
    steps.push(`no total: it never completes by itself; «promostream finish ${id}» completes it when all have come`)
  if (status === 'IN_PROGRESS' && isDone && rows < totalCount)
    steps.push(
      `${totalCount - rows} of ${totalCount} are still to come; «promostream finish ${id}» completes it without them`,
    )
  if (gifts.UNKNOWN > 0)
    steps.push(`UNKNOWN: «promostream reconcile ${id}» asks the Money API, «promostream retry ${id}» tries once more`)
  return steps.map(step => `  ${step}`)
}

function deadlineLine({ deadlineAt, verdict, inTime }: PromotionReport): string {
  if (deadlineAt == null) return ''
  const likely = verdict ? `; likely end: ${verdict.likely}` : ''
  return `\n  deadline: ${deadlineAt}${likely}${inTime === undefined ? '' : `; in time? ${inTime}`}`
}
