import { html } from 'ghtml'
import type { Texts } from '#admin/texts/texts.ts'
import type { ActivityRecord } from '#database/activity-log.ts'
import { isExactId } from '#queues/exact-integer.ts'
import { dataTable } from './data-table.ts'
import { layout, type PageContext } from './layout.ts'
import { timeTag } from './time-tag.ts'

export interface ActivityView {
  changes: readonly ActivityRecord[]
  /** Of the promotions that they were done to, by id. */
  names: ReadonlyMap<string, string>
  nextCursor: string | null
}

/** The promotion that a change was done to, by the paths of the API and the board, and by the ids of the command line. */
export function promotionIdOf({ target, detail }: Pick<ActivityRecord, 'target' | 'detail'>): string | undefined {
  const text = target ?? ''
  const found = /(?:^|\/promotions\/|campaign-promotion-)(\d+)(?=$|[/:])/.exec(text)?.[1]
  const { id } = (detail ?? {}) as { id?: unknown }
  const promotionId = found ?? (text === '/api/promotions' && typeof id === 'string' ? id : undefined)
  return promotionId !== undefined && isExactId(promotionId) ? promotionId : undefined
}

export function auditPage({ changes, names, nextCursor }: ActivityView, context: PageContext): string {
  const { texts } = context
  const { activity, frame } = texts
  const columns = [
    { title: activity.when, className: 'when', cell: ({ at }: ActivityRecord) => timeTag(at, texts) },
    { title: activity.who, isHeader: true, cell: ({ who }: ActivityRecord) => html`${who}` },
    { title: activity.what, className: 'reason', cell: (change: ActivityRecord) => act(change, names, texts) },
    {
      title: activity.with,
      className: 'reason',
      cell: ({ detail }: ActivityRecord) => html`${isEmpty(detail) ? '' : JSON.stringify(detail)}`,
    },
    { title: activity.answer, cell: ({ outcome }: ActivityRecord) => html`${outcomeText(outcome, texts)}` },
  ] as const
  const main = html`<h1 id="audit-title">${activity.title}</h1>
    <section class="card">
      !${
        changes.length === 0
          ? html`<p>${activity.empty}</p>`
          : dataTable({ labelledBy: 'audit-title', columns, rows: changes })
      }
      !${nextCursor === null ? '' : html`<p class="links"><a href="?cursor=${nextCursor}" rel="next">${frame.further}</a></p>`}
    </section>`
  return layout({ title: activity.title, main, context })
}

/** Stands in a sentence where the link to what was changed comes: no text of ours has it. */
const PLACE = '\u0001'

/** A change as a sentence, with a link to what it was done to. */
function act(change: ActivityRecord, names: ActivityView['names'], texts: Texts): string {
  const { what } = change
  const { acts, other } = texts.activity
  const sentence = acts[what]?.(PLACE) ?? other(what, PLACE)
  const [before = '', ...after] = sentence.split(PLACE)
  return html`<span title="${what} ${change.target ?? ''}">${before}!${after.length === 0 ? '' : link(change, names, texts)}${after.join('')}</span>`
}

function link(change: ActivityRecord, names: ActivityView['names'], texts: Texts): string {
  const [, type, targetId] = /\/gifts\/([A-Z]+)\/(\d+)/.exec(change.target ?? '') ?? []
  if (type !== undefined && targetId !== undefined)
    return html`<a href="/gifts/${type}/${targetId}">${texts.gift.gift(targetId)}</a>`
  const id = promotionIdOf(change)
  if (id === undefined) return html`${change.target ?? ''}`
  return html`<a href="/promotions/${id}">${names.get(id) ?? texts.promotion.promotion(id)}</a>`
}

/** HTTP statuses of the admin, and what the command line writes. */
function outcomeText(outcome: string | null, { activity }: Texts): string {
  if (outcome === null) return activity.notEnded
  if (outcome === 'done' || /^[23]\d\d$/.test(outcome)) return activity.done
  return /^4\d\d$/.test(outcome) ? activity.refused(outcome) : activity.failed(outcome)
}

/** A change without a body. */
function isEmpty(detail: unknown): boolean {
  return detail === null || (typeof detail === 'object' && Object.keys(detail).length === 0)
}
