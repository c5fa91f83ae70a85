import { html } from 'ghtml'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionDeadLetter } from '#promotion/dead-letters.ts'
import { dataTable } from './data-table.ts'
import { layout, type PageContext } from './layout.ts'
import { timeTag } from './time-tag.ts'

export interface DeadLettersView {
  promotion: Pick<Promotion, 'id' | 'name'>
  letters: readonly PromotionDeadLetter[]
  /** Where the next page begins. */
  next: string | undefined
  reason: string | undefined
}

const CHANGES = ['replay', 'discard'] as const

/** Entries of a promotion that were given up; each can go back on the stream, or away. */
export function deadLettersPage(
  { promotion: { id, name }, letters, next, reason }: DeadLettersView,
  context: PageContext,
): string {
  const { letters: t, frame, gift, promotion } = context.texts
  const title = name || promotion.promotion(id)
  const further = new URLSearchParams({ ...(reason === undefined ? {} : { reason }), after: next ?? '' })
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}">
      <a href="/">${frame.promotions}</a> <a href="/promotions/${id}">${title}</a>
    </nav>
    <h1 id="letters-title">${t.title}</h1>
    <form class="card fields" method="get">
      <div><label for="reason">${t.reasonHolds}</label><input id="reason" name="reason" maxlength="500" value="${reason ?? ''}" /></div>
      <button type="submit">${gift.show}</button>
    </form>
    <section class="card">
      <p>${t.hint}</p>
      !${letters.length === 0 ? html`<p>${t.none}</p>` : letterTable(id, letters, context)}
      !${next === undefined ? '' : html`<p class="links"><a href="?${further.toString()}" rel="next">${frame.further}</a></p>`}
    </section>`
  return layout({ title: t.titleOf(title), main, context })
}

function letterTable(promotionId: string, rows: readonly PromotionDeadLetter[], context: PageContext): string {
  const { texts } = context
  const { letters: t, format } = texts
  return dataTable({
    labelledBy: 'letters-title',
    rows,
    columns: [
      { title: t.letter, isHeader: true, cell: ({ id }) => html`${id}` },
      { title: t.when, className: 'when', cell: ({ at }) => timeTag(at, texts) },
      { title: t.reason, className: 'reason', cell: ({ reason }) => html`${reason}` },
      { title: t.deliveries, cell: ({ deliveries }) => html`${format.number(deliveries)}` },
      { title: t.message, className: 'reason', cell: ({ message }) => html`${message}` },
      { title: t.change, cell: ({ id }) => buttons(promotionId, id, context) },
    ],
  })
}

/** Without a session there is no proof to send; programs have the API. */
function buttons(promotionId: string, letterId: string, { identity, csrfToken, texts }: PageContext): string {
  if (identity?.role !== 'operator' || csrfToken === undefined) return ''
  const { letters: t } = texts
  const forms = CHANGES.map(
    change => html`<form method="post" action="/promotions/${promotionId}/dead-letters/${change}">
      <input type="hidden" name="_csrf" value="${csrfToken}" />
      <input type="hidden" name="letter" value="${letterId}" />
      <button type="submit" aria-label="${t.changeOf(t[change], letterId)}">${t[change]}</button>
    </form>`,
  )
  return html`<div class="buttons">!${forms}</div>`
}
