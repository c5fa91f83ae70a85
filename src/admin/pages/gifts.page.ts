import { html } from 'ghtml'
import type { GiftPage } from '#database/gifts/gift-pages.ts'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { giftTable } from './gift-table.ts'
import { layout, type PageContext } from './layout.ts'

export interface GiftsPageView {
  promotion: Pick<Promotion, 'id' | 'name'>
  page: GiftPage
  filters: { status?: string | undefined; memberId?: string | undefined; errorCode?: string | undefined }
}

export function giftsPage({ promotion, page, filters }: GiftsPageView, context: PageContext): string {
  const { id, name } = promotion
  const states = ['', ...PROCESS_STATUSES].map(
    status =>
      html`<option value="${status}" !${status === (filters.status ?? '') ? 'selected' : ''}>${status || 'every state'}</option>`,
  )
  const next = new URLSearchParams({ ...set(filters), cursor: page.nextCursor ?? '' })
  const main = html`<nav class="crumbs" aria-label="Breadcrumb">
      <a href="/">Promotions</a> <a href="/promotions/${id}">${name || `Promotion ${id}`}</a>
    </nav>
    <h1 id="gifts-title">Gifts</h1>
    <form class="card fields" method="get">
      <div><label for="status">State</label><select id="status" name="status">!${states}</select></div>
      <div><label for="member">Member id</label><input id="member" name="memberId" value="${filters.memberId ?? ''}" /></div>
      <div><label for="code">Error code</label><input id="code" name="errorCode" value="${filters.errorCode ?? ''}" /></div>
      <button type="submit">Show</button>
    </form>
    <section class="card">
      !${page.gifts.length > 0 ? giftTable(page.gifts, 'gifts-title') : html`<p>${page.nextCursor === null ? 'No such gift.' : 'None among those looked at so far.'}</p>`}
      !${page.nextCursor === null ? '' : html`<p class="links"><a href="?${next.toString()}" rel="next">Further</a></p>`}
    </section>`
  return layout({ title: `Gifts of ${name || id}`, main, context })
}

function set(filters: GiftsPageView['filters']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  )
}
