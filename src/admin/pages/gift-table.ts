import { html } from 'ghtml'
import type { GiftRecord } from '#database/gifts/gift-pages.ts'
import { dataTable } from './data-table.ts'

export function giftTable(gifts: readonly GiftRecord[], labelledBy: string): string {
  return dataTable({
    labelledBy,
    rows: gifts,
    columns: [
      {
        title: 'Target',
        isHeader: true,
        cell: ({ type, targetId }) => html`<a href="/gifts/${type}/${targetId}">${targetId}</a>`,
      },
      {
        title: 'State',
        cell: ({ processStatus }) => html`<span class="badge" data-status="${processStatus}">${processStatus}</span>`,
      },
      { title: 'Member', cell: ({ memberId }) => html`${memberId}` },
      { title: 'Amount', cell: ({ amount }) => html`${amount}` },
      { title: 'POSTs', cell: ({ attempts }) => html`${attempts}` },
      { title: 'Reason', className: 'reason', cell: reasonOf },
      { title: 'Last change', className: 'when', cell: ({ updatedAt }) => html`${updatedAt}` },
    ],
  })
}

function reasonOf({ errorCode, errorMessage }: GiftRecord): string {
  return errorCode === null ? '' : html`${errorCode}: ${errorMessage ?? ''}`
}
