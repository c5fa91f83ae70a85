import { html } from 'ghtml'
import type { PromotionView, Snapshot } from '#admin/snapshot/sampler.ts'
import type { Texts } from '#admin/texts/texts.ts'
import { PROMOTION_STATUSES } from '#database/promotions/promotion-status.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { type PromotionFields, toFields } from './fields.ts'
import { keptMarkup } from './kept-markup.ts'
import { layout, type PageContext } from './layout.ts'
import { moneyCard, moneyFields } from './money-card.ts'
import {
  bottleneckList,
  figures,
  ownBottleneckList,
  progressBar,
  sharedBottlenecks,
  statusBadge,
} from './promotion-parts.ts'

export interface ProgressQuery {
  /** Part of a name, or an id. */
  q?: string | undefined
  status?: string | undefined
  /** From 1. */
  page: number
}

const PAGE_SIZE = 50

export function progressPage(snapshot: Snapshot, query: ProgressQuery, context: PageContext): string {
  const { texts } = context
  const { around, promotions, workers = [] } = snapshot
  const isOperator = context.identity?.role === 'operator'
  const found = promotions.filter(view => isWanted(view, query))
  const shown = found.slice((query.page - 1) * PAGE_SIZE, query.page * PAGE_SIZE)
  const shared = sharedBottlenecks(
    promotions.map(({ bottlenecks }) => ({ bottlenecks })),
    texts,
  )
  const isAll = shown.length === promotions.length
  const main = html`<div class="head">
      <h1>${texts.frame.promotions}</h1>
      <p class="live" data-live>
        <span data-workers>${workersText(around.instances?.length ?? null, texts)}</span>
        <span class="pulse" data-pulse hidden>${texts.frame.live}</span>
      </p>
    </div>
    <p id="notice" role="status" class="notice" hidden></p>
    <div id="installation" class="card" role="status" data-installation !${shared.length === 0 ? 'hidden' : ''}>
      !${bottleneckList(shared, texts)}
    </div>
    !${isOperator ? newPromotion(texts) : ''}
    !${promotions.length === 0 ? '' : searchForm(query, texts)}
    <ul class="promotions" data-page="progress" data-part="${isAll ? '' : 'yes'}">
      !${shown.map(view => cardOf(view, texts))}
    </ul>
    !${shown.length > 0 ? '' : promotions.length > 0 ? html`<p class="card">${texts.promotion.nothingFound}</p>` : emptyText(texts)}
    !${furtherLinks(query, found.length, texts)}
    !${promotions.length === 0 ? '' : moneyCard(moneyFields(workers, texts), texts, texts.money.title)}`
  return layout({ title: texts.frame.promotions, main, context })
}

function isWanted({ id, name, status }: PromotionView, { q, status: wanted }: ProgressQuery): boolean {
  if (wanted !== undefined && status !== wanted) return false
  return q === undefined || id === q || name.toLowerCase().includes(q.toLowerCase())
}

export function workersText(workers: number | null, { promotion }: Texts): string {
  return workers === null ? promotion.redisSilent : promotion.workersAlive(workers)
}

function cardOf(view: PromotionView, texts: Texts): string {
  const madeOf = JSON.stringify([view, ...view.bottlenecks.map(({ text }) => text(texts))])
  return keptMarkup(`card:${texts.language}:${view.id}`, madeOf, () => card(toFields(view, texts), texts))
}

/** One that has ended takes less room. */
function card(fields: PromotionFields, texts: Texts): string {
  const isEnded = fields.status === 'COMPLETED'
  return html`<li class="${isEnded ? 'card compact' : 'card'}" data-promotion="${fields.id}" data-look="${isEnded ? 'ended' : 'running'}">
    <div class="title">
      <h2><a href="/promotions/${fields.id}">${fields.title}</a></h2>
      !${statusBadge(fields)}
      <small>${texts.promotion.types[fields.type] ?? fields.type} ${fields.id}</small>
    </div>
    !${isEnded ? '' : progressBar(fields, texts)}
    !${figures(fields, texts, isEnded ? 'ended' : 'running')}
    !${ownBottleneckList(fields.bottlenecks, texts)}
  </li>`
}

function searchForm({ q, status }: ProgressQuery, { promotion, gift }: Texts): string {
  const option = (value: string, text: string) =>
    html`<option value="${value}" !${value === (status ?? '') ? 'selected' : ''}>${text}</option>`
  const options = [
    option('', promotion.everyStatus),
    ...PROMOTION_STATUSES.map(value => option(value, promotion.statuses[value])),
  ]
  return html`<form class="fields search" method="get" role="search">
    <div><label for="q">${promotion.search}</label><input id="q" name="q" value="${q ?? ''}" maxlength="200" type="search" /></div>
    <div><label for="status">${gift.state}</label><select id="status" name="status">!${options}</select></div>
    <button type="submit">${promotion.find}</button>
  </form>`
}

function furtherLinks({ q, status, page }: ProgressQuery, found: number, { frame }: Texts): string {
  if (found <= page * PAGE_SIZE) return ''
  const filters = { ...(q === undefined ? {} : { q }), ...(status === undefined ? {} : { status }) }
  const query = new URLSearchParams({ ...filters, page: String(page + 1) })
  return html`<p class="links"><a href="?${query.toString()}" rel="next">${frame.further}</a></p>`
}

function emptyText({ promotion }: Texts): string {
  return html`<div class="card empty">
    <p>${promotion.empty}</p>
    <p>${promotion.emptyHint}</p>
    <pre>npm run promostream -- create --id 42 --type VOUCHER --total 1000</pre>
  </div>`
}

function newPromotion({ promotion }: Texts): string {
  const types = PROMOTION_TYPES.map(type => html`<option value="${type}">${promotion.types[type] ?? type}</option>`)
  return html`<details class="card">
    <summary>${promotion.newPromotion}</summary>
    <form class="fields" data-create>
      <div><label for="new-id">${promotion.id}</label><input id="new-id" name="id" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <div>
        <label for="new-type">${promotion.type}</label>
        <select id="new-type" name="type">!${types}</select>
      </div>
      <div><label for="new-name">${promotion.name}</label><input id="new-name" name="name" maxlength="200" /></div>
      <div>
        <label for="new-total">${promotion.totalLabel}</label>
        <input id="new-total" name="totalCount" value="0" pattern="[0-9]{1,12}" inputmode="numeric" />
      </div>
      <div>
        <label for="new-deadline">${promotion.deadlineLabel}</label>
        <input id="new-deadline" name="deadline" type="datetime-local" />
      </div>
      <div>
        <label for="new-weight">${promotion.weightLabel}</label>
        <input id="new-weight" name="weight" value="1" pattern="[1-9][0-9]{0,2}|1000" inputmode="numeric" />
      </div>
      <button type="submit" class="main">${promotion.create}</button>
    </form>
  </details>`
}
