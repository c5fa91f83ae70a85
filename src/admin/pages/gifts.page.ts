import { html } from 'ghtml'
import type { Texts } from '#admin/texts/texts.ts'
import type { GiftPage } from '#database/gifts/gift-pages.ts'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { giftTable } from './gift-table.ts'
import { layout, type PageContext } from './layout.ts'

export interface GiftsPageView {
  promotion: Pick<Promotion, 'id' | 'name'>
  page: GiftPage
  filters: Partial<Record<'status' | 'memberId' | 'errorCode' | 'partitionKey', string | undefined>>
}

export function giftsPage({ promotion, page, filters }: GiftsPageView, context: PageContext): string {
  const { gift, frame, promotion: t } = context.texts
  const { id, name } = promotion
  const title = name || t.promotion(id)
  const state = (value: string, text: string) =>
    html`<option value="${value}" !${value === (filters.status ?? '') ? 'selected' : ''}>${text}</option>`
  const states = [state('', gift.everyState), ...PROCESS_STATUSES.map(status => state(status, gift.states[status]))]
  const isSelectable =
    context.identity?.role === 'operator' && page.gifts.some(({ processStatus }) => processStatus === 'UNKNOWN')
  const next = new URLSearchParams({ ...set(filters), cursor: page.nextCursor ?? '' })
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}">
      <a href="/">${frame.promotions}</a> <a href="/promotions/${id}">${title}</a>
    </nav>
    <h1 id="gifts-title">${gift.gifts}</h1>
    <form class="card fields" method="get">
      <div><label for="status">${gift.state}</label><select id="status" name="status">!${states}</select></div>
      <div><label for="member">${gift.memberId}</label><input id="member" name="memberId" value="${filters.memberId ?? ''}" /></div>
      <div><label for="code">${gift.errorCode}</label><input id="code" name="errorCode" value="${filters.errorCode ?? ''}" /></div>
      <div><label for="key">${gift.partitionKey}</label><input id="key" name="partitionKey" value="${filters.partitionKey ?? ''}" /></div>
      <button type="submit">${gift.show}</button>
    </form>
    <p id="notice" role="status" class="notice" tabindex="-1" hidden></p>
    <section class="card">
      !${isSelectable ? selectionForm(id, context.texts) : ''}
      !${page.gifts.length > 0 ? giftTable(page.gifts, { labelledBy: 'gifts-title', isSelectable }, context.texts) : html`<p>${page.nextCursor === null ? gift.noSuchGift : gift.noneYet}</p>`}
      !${page.nextCursor === null ? '' : html`<p class="links"><a href="?${next.toString()}" rel="next">${frame.further}</a></p>`}
    </section>`
  return layout({ title: gift.giftsOf(title), main, context })
}

function selectionForm(id: string, { gift }: Texts): string {
  return html`<form class="selection" data-selection="${id}">
    <label><input type="checkbox" data-select-all /> ${gift.selectAll}</label>
    <button type="submit" class="main" disabled>${gift.retrySelected}</button>
  </form>`
}

function set(filters: GiftsPageView['filters']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  )
}
