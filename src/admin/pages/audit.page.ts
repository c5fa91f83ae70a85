import { html } from 'ghtml'
import type { ActivityRecord } from '#database/activity-log.ts'
import { dataTable } from './data-table.ts'
import { layout, type PageContext } from './layout.ts'

const COLUMNS = [
  { title: 'When', className: 'when', cell: ({ at }: ActivityRecord) => html`<time datetime="${at}">${at}</time>` },
  { title: 'Who', isHeader: true, cell: ({ who }: ActivityRecord) => html`${who}` },
  { title: 'What', cell: ({ what }: ActivityRecord) => html`${what}` },
  { title: 'To', className: 'reason', cell: ({ target }: ActivityRecord) => html`${target ?? ''}` },
  {
    title: 'With',
    className: 'reason',
    cell: ({ detail }: ActivityRecord) => html`${isEmpty(detail) ? '' : JSON.stringify(detail)}`,
  },
  { title: 'Answer', cell: ({ outcome }: ActivityRecord) => html`${outcome ?? 'not ended'}` },
] as const

export function auditPage(
  { changes, nextCursor }: { changes: readonly ActivityRecord[]; nextCursor: string | null },
  context: PageContext,
): string {
  const main = html`<h1 id="audit-title">Activity log</h1>
    <section class="card">
      !${
        changes.length === 0
          ? html`<p>Nobody has changed anything yet.</p>`
          : dataTable({ labelledBy: 'audit-title', columns: COLUMNS, rows: changes })
      }
      !${nextCursor === null ? '' : html`<p class="links"><a href="?cursor=${nextCursor}" rel="next">Further</a></p>`}
    </section>`
  return layout({ title: 'Activity log', main, context })
}

/** A change without a body. */
function isEmpty(detail: unknown): boolean {
  return detail === null || (typeof detail === 'object' && Object.keys(detail).length === 0)
}
