import { html } from 'ghtml'
import type { InvalidMessage } from '#admin/invalid-messages.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { SkippedRecord } from '#database/gifts/skipped-pages.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { dataTable } from './data-table.ts'
import { layout, type PageContext } from './layout.ts'
import { timeTag } from './time-tag.ts'

export interface RejectedView {
  promotion: { id: string; title: string; type: PromotionType }
  counts: Readonly<Record<string, number>>
  skipped: readonly SkippedRecord[]
  /** Null: that was the last page. */
  nextPage: number | null
  /** Why the invalid topic could not be read, or what was in it of this promotion. */
  invalid: string | readonly InvalidMessage[]
  /** It takes gifts: what it did not take may be published again. */
  canReplay: boolean
}

export function rejectedPage(view: RejectedView, context: PageContext): string {
  const { promotion, skipped, nextPage, invalid } = view
  const { texts } = context
  const { rejected: t, frame } = texts
  const canReplay = view.canReplay && context.identity?.role === 'operator' && skipped.length > 0
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}">
      <a href="/">${frame.promotions}</a> <a href="/promotions/${promotion.id}">${promotion.title}</a>
    </nav>
    <h1>${t.titleOf(promotion.title)}</h1>
    <p id="notice" role="status" class="notice" tabindex="-1" hidden></p>
    <section class="card" aria-labelledby="skipped-title">
      <h2 id="skipped-title">${t.skipped}</h2>
      <p class="hint">${t.skippedHint}</p>
      !${reasonCounts(view.counts, texts)}
      !${canReplay ? replayForm(promotion.id, texts) : ''}
      !${skipped.length === 0 ? html`<p>${t.none}</p>` : skippedTable(skipped, { promotion, canReplay }, texts)}
      !${nextPage === null ? '' : html`<p class="links"><a href="?page=${nextPage}" rel="next">${frame.further}</a></p>`}
    </section>
    <section class="card" aria-labelledby="invalid-title">
      <h2 id="invalid-title">${t.invalid}</h2>
      <p class="hint">${t.invalidHint}</p>
      !${typeof invalid === 'string' ? html`<p class="complaint">${t.notRead(invalid)}</p>` : invalidTable(invalid, texts)}
    </section>
    <section class="card" aria-labelledby="poison-title">
      <h2 id="poison-title">${t.poison}</h2>
      <p class="hint">${t.poisonHint}</p>
      <p><a href="/promotions/${promotion.id}/gifts?status=UNKNOWN&errorCode=POISON">${t.poisonLink}</a>
        <a href="/promotions/${promotion.id}/dead-letters">${texts.letters.title}</a></p>
    </section>`
  return layout({ title: t.titleOf(promotion.title), main, context })
}

function reasonCounts(counts: RejectedView['counts'], { report, format }: Texts): string {
  const items = Object.entries(counts)
  if (items.length === 0) return ''
  return html`<ul class="shares">
    !${items.map(([reason, count]) => html`<li>${report.reasons[reason] ?? reason} <strong>${format.number(count)}</strong></li>`)}
  </ul>`
}

function replayForm(id: string, { rejected: t }: Texts): string {
  return html`<form class="selection" data-replay="${id}">
    <label><input type="checkbox" data-select-all /> ${t.selectAll}</label>
    <span class="hint">${t.replayHint}</span>
    <button type="submit" class="main" disabled>${t.replay}</button>
  </form>`
}

function skippedTable(
  rows: readonly SkippedRecord[],
  { promotion, canReplay }: Pick<RejectedView, 'promotion' | 'canReplay'>,
  texts: Texts,
): string {
  const { rejected: t, report } = texts
  const place = ({ topic, partition, offset }: SkippedRecord) => t.placeOf(topic, partition, offset)
  const box = (row: SkippedRecord) => {
    const { topic, partition, offset } = row
    const value = JSON.stringify({ topic, partition, offset })
    return html`<input type="checkbox" data-select value="${value}" aria-label="${t.selectOf(place(row))}" />`
  }
  return dataTable({
    labelledBy: 'skipped-title',
    rows,
    columns: [
      ...(canReplay ? [{ title: t.select, cell: box }] : []),
      { title: t.when, className: 'when', cell: ({ at }) => timeTag(at, texts) },
      { title: t.reason, isHeader: true, cell: ({ reason }) => html`${report.reasons[reason] ?? reason}` },
      {
        title: t.target,
        cell: ({ targetId }) => html`<a href="/gifts/${promotion.type}/${targetId}">${targetId}</a>`,
      },
      { title: t.place, className: 'reason', cell: row => html`${place(row)}` },
      { title: t.message, className: 'reason', cell: ({ message }) => html`<code>${message}</code>` },
    ],
  })
}

function invalidTable(rows: readonly InvalidMessage[], { rejected: t }: Texts): string {
  if (rows.length === 0) return html`<p>${t.none}</p>`
  return dataTable({
    labelledBy: 'invalid-title',
    rows,
    columns: [
      { title: t.reason, isHeader: true, cell: ({ reason }) => html`${reason}` },
      {
        title: t.place,
        className: 'reason',
        cell: ({ topic, partition, offset }) => html`${t.placeOf(topic, partition, offset)}`,
      },
      { title: t.message, className: 'reason', cell: ({ value }) => html`<code>${value}</code>` },
    ],
  })
}
