import { html } from 'ghtml'
import type { TimelineStep } from '#admin/gift-timeline.ts'
import type { GiftRecord } from '#database/gifts/gift-pages.ts'
import { layout, type PageContext } from './layout.ts'

const STEP_NAMES: Readonly<Record<TimelineStep['step'], string>> = {
  kafka: 'Kafka offset',
  inserted: 'Inserted',
  added: 'Added to the stream',
  delivered: 'Delivered',
  attempts: 'Attempts',
  charge: 'Charge',
  acked: 'Acknowledged',
}

const STATE_NAMES: Readonly<Record<TimelineStep['state'], string>> = {
  done: 'done',
  now: 'now',
  open: 'open',
  'not-recorded': 'not recorded',
}

export function giftPage(
  { gift, timeline }: { gift: GiftRecord; timeline: readonly TimelineStep[] },
  context: PageContext,
): string {
  const { type, targetId, promotionId, processStatus, message } = gift
  const canRetry = context.identity?.role === 'operator' && processStatus === 'UNKNOWN'
  const main = html`<nav class="crumbs" aria-label="Breadcrumb">
      <a href="/">Promotions</a> <a href="/promotions/${promotionId}">Promotion ${promotionId}</a>
    </nav>
    <article data-page="gift" data-gift="${type}/${targetId}">
      <div class="title">
        <h1>Gift ${targetId}</h1>
        <span class="badge" data-status="${processStatus}">${processStatus}</span>
      </div>
      <p id="notice" role="status" class="notice" hidden></p>
      !${canRetry ? html`<p><button type="button" class="main" data-retry-gift>Retry with the same key</button></p>` : ''}
      <section class="card" aria-labelledby="way-title">
        <h2 id="way-title">Its way</h2>
        <ol class="timeline">!${timeline.map(step)}</ol>
      </section>
      <section class="card" aria-labelledby="row-title">
        <h2 id="row-title">Its row</h2>
        <dl class="row">!${facts(gift).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
        <h3 id="message-title">Message from Kafka</h3>
        <pre class="scroll" role="region" aria-labelledby="message-title" tabindex="0">${message}</pre>
      </section>
    </article>`
  return layout({ title: `Gift ${targetId}`, main, context, scripts: ['/assets/pages.js'] })
}

function step({ step: name, state, at, text }: TimelineStep): string {
  return html`<li data-state="${state}">
    <strong>${STEP_NAMES[name]}</strong> <span class="state">${STATE_NAMES[state]}</span>
    <span>${text}</span> !${at === null ? '' : html`<time datetime="${at}">${at}</time>`}
  </li>`
}

function facts(gift: GiftRecord): [string, string][] {
  const { type, targetId, memberId, amount, partitionKey, promotionSummaryId, moneyKey, errorCode, errorMessage } = gift
  return [
    ['Idempotency key', `${type}:${targetId}`],
    ['Member', memberId],
    ['Amount', amount],
    ['Partition key', partitionKey],
    ['Summary', promotionSummaryId],
    ['Money key', moneyKey ?? 'none'],
    ['POSTs counted', String(gift.attempts)],
    ['Last error', errorCode === null ? 'none' : `${errorCode}: ${errorMessage ?? ''}`],
    ['Created', gift.createdAt],
    ['Last change', gift.updatedAt],
  ]
}
