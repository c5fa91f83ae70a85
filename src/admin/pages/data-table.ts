import { html } from 'ghtml'

interface Column<Row> {
  title: string
  /** What stands in it, as HTML that is escaped already. */
  cell(row: Row): string
  /** Names its row. */
  isHeader?: boolean
  className?: 'reason' | 'when'
  /** By what the page's script finds the cell. */
  name?: string
}

interface DataTable<Row> {
  /** Id of the heading that names the table. */
  labelledBy: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  /** By what the page's script finds a row. */
  instanceOf?(row: Row): string
}

/** A table; each cell repeats its column's title, so that a phone can show a row as a list. */
export function dataTable<Row>({ labelledBy, columns, rows, instanceOf }: DataTable<Row>): string {
  const head = columns.map(({ title }) => html`<th scope="col">${title}</th>`)
  const body = rows.map(row => {
    const cells = columns.map(column => cellOf(column, row))
    return instanceOf === undefined
      ? html`<tr>!${cells}</tr>`
      : html`<tr data-instance="${instanceOf(row)}">!${cells}</tr>`
  })
  return html`<div class="scroll" role="region" aria-labelledby="${labelledBy}" tabindex="0">
    <table>
      <thead><tr>!${head}</tr></thead>
      <tbody>!${body}</tbody>
    </table>
  </div>`
}

function cellOf<Row>({ title, cell, isHeader, className, name }: Column<Row>, row: Row): string {
  if (isHeader) return html`<th scope="row" data-column="${title}">!${cell(row)}</th>`
  return html`<td data-column="${title}" data-cell="${name ?? ''}" class="${className ?? ''}">!${cell(row)}</td>`
}
