import { html } from 'ghtml'
import type { TimelineStep } from '#admin/gift-timeline.ts'
import type { GiftLook } from '#admin/gifts.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { AttemptRecord } from '#database/gifts/attempts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { dataTable } from './data-table.ts'
import { stateBadge } from './gift-table.ts'
import { layout, type PageContext } from './layout.ts'
import { errorInWords } from './money-card.ts'
import { timeTag } from './time-tag.ts'

export function giftPage({ gift, attempts, timeline }: GiftLook, context: PageContext): string {
  const { texts } = context
  const { type, targetId, promotionId, processStatus, message } = gift
  const canRetry = context.identity?.role === 'operator' && processStatus === 'UNKNOWN'
  const main = html`<nav class="crumbs" aria-label="${texts.frame.breadcrumb}">
      <a href="/">${texts.frame.promotions}</a>
      <a href="/promotions/${promotionId}">${texts.promotion.promotion(promotionId)}</a>
    </nav>
    <article data-page="gift" data-gift="${type}/${targetId}">
      <div class="title">
        <h1>${texts.gift.gift(targetId)}</h1>
        !${stateBadge(processStatus, texts)}
      </div>
      <p id="notice" role="status" class="notice" hidden></p>
      !${canRetry ? html`<p><button type="button" class="main" data-retry-gift>${texts.gift.retry}</button></p>` : ''}
      <section class="card" aria-labelledby="way-title">
        <h2 id="way-title">${texts.gift.way}</h2>
        <ol class="timeline">!${timeline.map(one => step(one, texts))}</ol>
      </section>
      !${attempts.length === 0 ? '' : attemptTable(attempts, texts)}
      <section class="card" aria-labelledby="row-title">
        <h2 id="row-title">${texts.gift.row}</h2>
        <dl class="row">!${facts(gift, texts).map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>`)}</dl>
        <h3 id="message-title">${texts.gift.message}</h3>
        <pre class="scroll" role="region" aria-labelledby="message-title" tabindex="0">${message}</pre>
      </section>
    </article>`
  return layout({ title: texts.gift.gift(targetId), main, context })
}

function step({ step: name, state, at, text }: TimelineStep, texts: Texts): string {
  return html`<li data-state="${state}">
    <strong>${texts.gift.steps[name]}</strong> <span class="state">${texts.gift.stepStates[state]}</span>
    <span>${text(texts)}</span> !${at === null ? '' : timeTag(at, texts)}
  </li>`
}

/** Each attempt, where there was more than one that succeeded. */
function attemptTable(attempts: readonly AttemptRecord[], texts: Texts): string {
  const { gift: t } = texts
  return html`<section class="card" aria-labelledby="attempts-title">
    <h2 id="attempts-title">${t.steps.attempts}</h2>
    !${dataTable({
      labelledBy: 'attempts-title',
      rows: attempts,
      columns: [
        { title: t.attempt, isHeader: true, cell: ({ attempt }) => html`${texts.format.number(attempt)}` },
        { title: t.attemptAt, className: 'when', cell: ({ at }) => timeTag(at, texts) },
        { title: t.attemptLed, cell: ({ processStatus }) => stateBadge(processStatus, texts) },
        { title: t.attemptAnswer, className: 'reason', cell: attempt => attemptAnswer(attempt, texts) },
      ],
    })}
  </section>`
}

function attemptAnswer({ errorCode, errorMessage }: AttemptRecord, texts: Texts): string {
  if (errorCode === null) return html`${texts.gift.attemptPaid}`
  return html`${errorInWords(errorCode, texts)} <small>${errorCode}: ${errorMessage ?? ''}</small>`
}

/** Values are escaped. */
function facts(gift: GiftRecord, texts: Texts): [string, string][] {
  const { type, targetId, memberId, amount, partitionKey, promotionSummaryId, moneyKey, errorCode, errorMessage } = gift
  const { gift: t, frame, format } = texts
  return [
    [t.idempotencyKey, html`${type}:${targetId}`],
    [t.member, html`${memberId}`],
    [t.amount, html`${format.number(amount)}`],
    [t.partitionKey, html`${partitionKey}`],
    [t.summary, html`${promotionSummaryId}`],
    [t.moneyKey, html`${moneyKey ?? frame.none}`],
    [t.postsCounted, html`${format.number(gift.attempts)}`],
    [t.lastError, html`${errorCode === null ? frame.none : `${errorCode}: ${errorMessage ?? ''}`}`],
    [t.created, timeTag(gift.createdAt, texts)],
    [t.lastChange, timeTag(gift.updatedAt, texts)],
  ]
}
