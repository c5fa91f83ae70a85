import { html } from 'ghtml'
import type { AuditRecord } from '#database/admin-audit.ts'
import { layout, type PageContext } from './layout.ts'

export function auditPage(
  { changes, nextCursor }: { changes: readonly AuditRecord[]; nextCursor: string | null },
  context: PageContext,
): string {
  const rows = changes.map(
    ({ at, who, what, target, detail, outcome }) => html`<tr>
      <td class="when"><time datetime="${at}">${at}</time></td>
      <th scope="row">${who}</th>
      <td>${what}</td>
      <td class="reason">${target ?? ''}</td>
      <td class="reason">${detail === null ? '' : JSON.stringify(detail)}</td>
      <td>${outcome ?? 'not ended'}</td>
    </tr>`,
  )
  const main = html`<h1 id="audit-title">Audit</h1>
    <section class="card">
      !${
        rows.length === 0
          ? html`<p>Nobody has changed anything yet.</p>`
          : html`<div class="scroll" role="region" aria-labelledby="audit-title" tabindex="0">
              <table>
                <thead>
                  <tr>
                    <th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">To</th>
                    <th scope="col">With</th><th scope="col">Answer</th>
                  </tr>
                </thead>
                <tbody>!${rows}</tbody>
              </table>
            </div>`
      }
      !${nextCursor === null ? '' : html`<p class="links"><a href="?cursor=${nextCursor}" rel="next">Further</a></p>`}
    </section>`
  return layout({ title: 'Audit', main, context })
}
