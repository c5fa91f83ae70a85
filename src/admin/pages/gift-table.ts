import { html } from 'ghtml'
import type { Texts } from '#admin/texts/texts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { dataTable } from './data-table.ts'
import { timeTag } from './time-tag.ts'

export interface GiftTableOptions {
  /** Id of the heading that names the table. */
  labelledBy: string
  /** UNKNOWN ones can be chosen, to be tried again together. */
  isSelectable?: boolean
}

export function giftTable(
  gifts: readonly GiftRecord[],
  { labelledBy, isSelectable = false }: GiftTableOptions,
  texts: Texts,
): string {
  const { gift, format } = texts
  return dataTable({
    labelledBy,
    rows: gifts,
    columns: [
      ...(isSelectable ? [{ title: gift.select, cell: (row: GiftRecord) => selectBox(row, texts) }] : []),
      {
        title: gift.target,
        isHeader: true,
        cell: ({ type, targetId }) => html`<a href="/gifts/${type}/${targetId}">${targetId}</a>`,
      },
      { title: gift.state, cell: ({ processStatus }) => stateBadge(processStatus, texts) },
      { title: gift.member, cell: ({ memberId }) => html`${memberId}` },
      { title: gift.amount, cell: ({ amount }) => html`${format.number(amount)}` },
      { title: gift.posts, cell: ({ attempts }) => html`${format.number(attempts)}` },
      { title: gift.reason, className: 'reason', cell: reasonOf },
      { title: gift.lastChange, className: 'when', cell: ({ updatedAt }) => timeTag(updatedAt, texts) },
    ],
  })
}

function selectBox({ targetId, processStatus }: GiftRecord, { gift }: Texts): string {
  if (processStatus !== 'UNKNOWN') return ''
  return html`<input type="checkbox" data-select value="${targetId}" aria-label="${gift.selectGift(targetId)}" />`
}

/** A gift's state in words; its name in the API on hover. */
export function stateBadge(state: ProcessStatus, { gift }: Texts): string {
  return html`<span class="badge" data-status="${state}" title="${state}">${gift.states[state]}</span>`
}

function reasonOf({ errorCode, errorMessage }: GiftRecord): string {
  return errorCode === null ? '' : html`${errorCode}: ${errorMessage ?? ''}`
}
