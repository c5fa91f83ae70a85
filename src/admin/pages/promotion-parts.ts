import { html } from 'ghtml'
import type { Bottleneck } from '#admin/snapshot/bottleneck.ts'
import type { PromotionFields } from './fields.ts'

/** Pieces that the list and a promotion's own page share; `data-field` marks what the script keeps live. */

export function statusBadge({ status, text }: PromotionFields): string {
  return html`<span class="badge" data-status="${status}" data-field="status">${text.status}</span>`
}

export function progressBar({ id, percent, text }: PromotionFields): string {
  return html`<div class="progress">
    <progress max="100" !${percent === null ? '' : html`value="${percent}"`} aria-label="Progress of promotion ${id}">
    </progress>
    <p><span data-field="progress">${text.progress}</span> <strong data-field="percent">${text.percent}</strong></p>
  </div>`
}

const FIGURES = [
  ['rate', 'Rate'],
  ['eta', 'Time left'],
  ['success', 'Success'],
  ['failed', 'Failed'],
  ['retrying', 'Retrying'],
  ['unknown', 'Unknown'],
] as const

export function figures({ text }: PromotionFields, more: readonly (readonly [string, string])[] = []): string {
  return html`<dl class="figures">
    !${[...FIGURES, ...more].map(
      ([field, name]) => html`<div>
        <dt>${name}</dt>
        <dd data-field="${field}">${text[field] ?? ''}</dd>
      </div>`,
    )}
  </dl>`
}

const LEVEL_TEXT: Readonly<Record<Bottleneck['level'], string>> = { bad: 'Problem', wait: 'Waiting', good: 'Fine' }

export function bottleneckList(bottlenecks: readonly Bottleneck[]): string {
  return html`<p class="label">What slows it down</p>
    <ul class="bottlenecks" aria-label="What slows it down">
      !${bottlenecks.map(
        ({ level, code, text, since, remedy }) => html`<li data-level="${level}" data-code="${code}">
          <strong>${LEVEL_TEXT[level]}</strong> ${text}
          !${since === undefined ? '' : html`<small>since <time datetime="${since}" data-time>${since.slice(11, 19)} UTC</time></small>`}
          !${remedy === undefined ? '' : html`<span class="remedy">${remedy}</span>`}
        </li>`,
      )}
    </ul>`
}
