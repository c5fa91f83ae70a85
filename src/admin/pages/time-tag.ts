import { html } from 'ghtml'
import type { Texts } from '#admin/texts/texts.ts'

/** A time in UTC; the page's script writes the reader's own in its place, and UTC stays on hover. */
export function timeTag(iso: string, { format }: Texts, field = ''): string {
  const utc = format.utc(iso)
  return html`<time datetime="${iso}" title="${utc}" data-time data-field="${field}">${utc}</time>`
}
