import { html } from 'ghtml'
import { type BottleneckInWords, bottleneckInWords } from '#admin/snapshot/bottleneck.ts'
import type { Bottleneck } from '#admin/snapshot/cause.ts'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import { NO_FIGURE } from '#admin/texts/format.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { PromotionFields } from './fields.ts'
import { timeTag } from './time-tag.ts'

/** Pieces that the list and a promotion's own page share; `data-field` marks what the script keeps live. */

export function statusBadge({ status, look, text }: PromotionFields): string {
  return html`<span class="badge" data-status="${status}" data-look="${look}" data-field="status">${text.status}</span>`
}

export function progressBar({ title, percent, text }: PromotionFields, { promotion }: Texts): string {
  return html`<div class="progress">
    <progress max="100" !${percent === null ? '' : html`value="${percent}"`} aria-label="${promotion.progressOf(title)}">
    </progress>
    <p><span data-field="progress">${text.progress}</span> <strong data-field="percent">${text.percent}</strong></p>
  </div>`
}

const FIGURES = {
  /** On a list, while it goes on. */
  running: ['rate', 'eta', 'success', 'failed', 'retrying', 'unknown'],
  /** On a list, once it has ended. */
  ended: ['success', 'failed', 'unknown', 'duration', 'finished'],
  gifts: ['success', 'failed', 'retrying', 'unknown', 'waiting', 'active', 'slots'],
  times: ['rate', 'average', 'eta', 'started', 'finished', 'duration', 'deadline', 'likelyEnd', 'verdict'],
} as const

type FigureName = (typeof FIGURES)[keyof typeof FIGURES][number]

/** Nothing is to be said of them without a deadline. */
const OF_A_DEADLINE = new Set<string>(['likelyEnd', 'verdict'])
const TIMES = new Set(['started', 'finished', 'deadline', 'likelyEnd'])

export function figures(fields: PromotionFields, texts: Texts, which: keyof typeof FIGURES): string {
  const hasDeadline = fields.times.deadline !== null
  const shown = FIGURES[which].filter(field => hasDeadline || !OF_A_DEADLINE.has(field))
  return html`<dl class="figures">!${shown.map(field => figure(fields, field, texts))}</dl>`
}

function figure({ text, hints, times }: PromotionFields, field: FigureName, texts: Texts): string {
  const hint = hints[field]
  const label = texts.promotion.figures[field]
  if (!TIMES.has(field)) {
    const title = hint === undefined ? '' : html` title="${hint}"`
    return html`<div><dt>${label}</dt><dd data-field="${field}"!${title}>${text[field] ?? ''}</dd></div>`
  }
  const at = times[field as keyof PromotionFields['times']]
  return html`<div><dt>${label}</dt><dd data-time-field="${field}">!${at === null ? NO_FIGURE : timeTag(at, texts)} !${hint === undefined ? '' : html`<small class="late">${hint}</small>`}</dd></div>`
}

/** The cause first, with what to do; what is as it should be at the end of a promotion is no news. */
export function bottleneckList(bottlenecks: readonly BottleneckInWords[], texts: Texts): string {
  const { bottleneck: t } = texts
  const told = bottlenecks.filter(({ code }) => code !== 'completed')
  return html`<div class="causes" data-causes !${told.length === 0 ? 'hidden' : ''}>
    <p class="label">${t.title}</p>
    <ul class="bottlenecks" aria-label="${t.title}">!${told.map(one => bottleneckItem(one, texts))}</ul>
  </div>`
}

/** On a list: what slows all of them down is said once, above. */
export function ownBottleneckList(bottlenecks: readonly BottleneckInWords[], texts: Texts): string {
  const isShared = bottlenecks.some(({ isShared }) => isShared)
  return html`!${bottleneckList(
    bottlenecks.filter(({ isShared }) => !isShared),
    texts,
  )}
    <p class="shared-cause" data-shared !${isShared ? '' : 'hidden'}><a href="#installation">${texts.bottleneck.seeAbove}</a></p>`
}

/** What slows down all that run, once each, since it was first seen of any. */
export function sharedBottlenecks(promotions: readonly Pick<PromotionView, 'bottlenecks'>[], texts: Texts) {
  const found = new Map<string, Bottleneck>()
  for (const bottleneck of promotions.flatMap(({ bottlenecks }) => bottlenecks)) {
    const known = found.get(bottleneck.code)
    if (known === undefined || (bottleneck.since ?? '') < (known.since ?? '')) found.set(bottleneck.code, bottleneck)
  }
  return [...found.values()].map(one => bottleneckInWords(one, texts)).filter(({ isShared }) => isShared)
}

function bottleneckItem({ level, levelText, code, text, since, remedy }: BottleneckInWords, texts: Texts): string {
  const { bottleneck: t } = texts
  return html`<li data-level="${level}" data-code="${code}">
    <strong>${levelText}</strong> ${text}
    !${since === undefined ? '' : html`<small>${t.since} !${timeTag(since, texts)}</small>`}
    !${remedy === undefined ? '' : html`<span class="remedy">${remedy} <a href="/runbook#${code}">${t.runbook}</a></span>`}
  </li>`
}
