import { html } from 'ghtml'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionDeadLetter } from '#promotion/dead-letters.ts'
import { dataTable } from './data-table.ts'
import { layout, type PageContext } from './layout.ts'

export interface DeadLettersView {
  promotion: Pick<Promotion, 'id' | 'name'>
  letters: readonly PromotionDeadLetter[]
  /** Where the next page begins. */
  next: string | undefined
  reason: string | undefined
}

const BUTTONS = [
  ['replay', 'Replay'],
  ['discard', 'Discard'],
] as const

/** Entries of a promotion that were given up; each can go back on the stream, or away. */
export function deadLettersPage(
  { promotion: { id, name }, letters, next, reason }: DeadLettersView,
  context: PageContext,
): string {
  const further = new URLSearchParams({ ...(reason === undefined ? {} : { reason }), after: next ?? '' })
  const main = html`<nav class="crumbs" aria-label="Breadcrumb">
      <a href="/">Promotions</a> <a href="/promotions/${id}">${name || `Promotion ${id}`}</a>
    </nav>
    <h1 id="letters-title">Dead letters</h1>
    <form class="card fields" method="get">
      <div><label for="reason">Reason holds</label><input id="reason" name="reason" maxlength="500" value="${reason ?? ''}" /></div>
      <button type="submit">Show</button>
    </form>
    <section class="card">
      <p>
        Entries that were given up. Replay puts one on the stream again; no row and no key changes, and what is to be done
        with it is its gift’s row to say.
      </p>
      !${letters.length === 0 ? html`<p>There is none.</p>` : letterTable(id, letters, context)}
      !${next === undefined ? '' : html`<p class="links"><a href="?${further.toString()}" rel="next">Further</a></p>`}
    </section>`
  return layout({ title: `Dead letters of ${name || id}`, main, context })
}

function letterTable(promotionId: string, rows: readonly PromotionDeadLetter[], context: PageContext): string {
  return dataTable({
    labelledBy: 'letters-title',
    rows,
    columns: [
      { title: 'Letter', isHeader: true, cell: ({ id }) => html`${id}` },
      { title: 'When', className: 'when', cell: ({ at }) => html`<time datetime="${at}">${at}</time>` },
      { title: 'Reason', className: 'reason', cell: ({ reason }) => html`${reason}` },
      { title: 'Deliveries', cell: ({ deliveries }) => html`${String(deliveries)}` },
      { title: 'Message', className: 'reason', cell: ({ message }) => html`${message}` },
      { title: 'Change', cell: ({ id }) => buttons(promotionId, id, context) },
    ],
  })
}

/** Without a session there is no proof to send; programs have the API. */
function buttons(promotionId: string, letterId: string, { identity, csrfToken }: PageContext): string {
  if (identity?.role !== 'operator' || csrfToken === undefined) return ''
  const forms = BUTTONS.map(
    ([action, text]) => html`<form method="post" action="/promotions/${promotionId}/dead-letters/${action}">
      <input type="hidden" name="_csrf" value="${csrfToken}" />
      <input type="hidden" name="letter" value="${letterId}" />
      <button type="submit" aria-label="${text} ${letterId}">${text}</button>
    </form>`,
  )
  return html`<div class="buttons">!${forms}</div>`
}
