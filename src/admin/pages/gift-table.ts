import { html } from 'ghtml'
import type { GiftRecord } from '#database/gift-pages.ts'

export function giftTable(gifts: readonly GiftRecord[], labelledBy: string): string {
  return html`<div class="scroll" role="region" aria-labelledby="${labelledBy}" tabindex="0">
    <table>
      <thead>
        <tr>
          <th scope="col">Target</th><th scope="col">State</th><th scope="col">Member</th><th scope="col">Amount</th>
          <th scope="col">POSTs</th><th scope="col">Reason</th><th scope="col">Last change</th>
        </tr>
      </thead>
      <tbody>!${gifts.map(row)}</tbody>
    </table>
  </div>`
}

function row({
  type,
  targetId,
  processStatus,
  memberId,
  amount,
  attempts,
  errorCode,
  errorMessage,
  updatedAt,
}: GiftRecord) {
  const reason = errorCode === null ? '' : `${errorCode}: ${errorMessage ?? ''}`
  return html`<tr>
    <th scope="row"><a href="/gifts/${type}/${targetId}">${targetId}</a></th>
    <td><span class="badge" data-status="${processStatus}">${processStatus}</span></td>
    <td>${memberId}</td>
    <td>${amount}</td>
    <td>${attempts}</td>
    <td class="reason">${reason}</td>
    <td>${updatedAt}</td>
  </tr>`
}
