import { html } from 'ghtml'
import type { PromotionView, Snapshot } from '#admin/snapshot/sampler.ts'
import { NO_FIGURE } from '#admin/texts/format.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { dataTable } from './data-table.ts'
import { toFields } from './fields.ts'
import { giftTable } from './gift-table.ts'
import { keptMarkup } from './kept-markup.ts'
import { layout, type PageContext } from './layout.ts'
import { moneyCard, moneyFields } from './money-card.ts'
import { nextStep, operationsCard } from './operations-card.ts'
import { bottleneckList, figures, progressBar, statusBadge } from './promotion-parts.ts'
import { timeTag } from './time-tag.ts'

export interface PromotionInstanceView {
  instance: string
  startedEventAt: string | null
  consumers: { slots: number; slotsInUse: number; isPaused: boolean } | null
}

export interface PromotionPageView {
  promotion: PromotionView
  snapshot: Snapshot
  /** Undefined: Redis has not answered yet. */
  instances: readonly PromotionInstanceView[] | undefined
  /** UNKNOWN and FAILED ones, the first few; undefined: PostgreSQL does not answer, and they were not read before. */
  failures: readonly GiftRecord[] | undefined
  /** Messages that it did not take. */
  skipped: number | undefined
}

export function promotionPage(view: PromotionPageView, context: PageContext): string {
  const { promotion, snapshot, instances, failures, skipped } = view
  const { texts } = context
  const { frame, promotion: t, money } = texts
  const fields = toFields(promotion, texts)
  const { id, type } = promotion
  const isOperator = context.identity?.role === 'operator'
  const calls = moneyFields(snapshot.workers ?? [], texts, id)
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}"><a href="/">${frame.promotions}</a></nav>
    <article data-page="promotion" data-promotion="${id}">
      <div class="title">
        <h1>${fields.title}</h1>
        !${statusBadge(fields)}
        <small>${t.types[type] ?? type} ${id}</small>
        <span class="pulse" data-pulse hidden>${frame.live}</span>
      </div>
      <p class="links">
        <a href="/promotions/${id}/report">${texts.report.title}</a>
        <a href="/promotions/${id}/rejected">${texts.rejected.title}</a>
      </p>
      !${isOperator ? '' : html`<p id="notice" role="status" class="notice" tabindex="-1" hidden></p>`}
      <section class="card" aria-label="${t.progress}">
        !${progressBar(fields, texts)} !${figures(fields, texts, 'gifts')} !${figures(fields, texts, 'times')}
        <div role="status">!${bottleneckList(fields.bottlenecks, texts)}</div>
      </section>
      !${isOperator ? nextStep(fields, texts) : ''}
      !${isOperator ? operationsCard(fields, promotion.consumersPerInstance, texts) : ''}
      !${keptMarkup(`plots:${texts.language}`, '', () => plots(texts))}
      !${moneyCard(calls, texts, money.ofPromotion)}
      !${instanceTable(instances, texts)} !${keptFailureList(id, { failures, skipped }, texts)}
      !${keptMarkup(`search:${texts.language}:${id}`, type, () => giftSearch(id, type, texts))}
    </article>`
  const assets = { scripts: ['/assets/charts.js'], styles: ['/assets/uplot.css'] }
  return layout({ title: fields.title, main, context, ...assets })
}

function plots({ promotion: t }: Texts): string {
  return html`<section class="card" aria-labelledby="plots-title">
    <div class="head">
      <h2 id="plots-title">${t.plots}</h2>
      <div class="buttons" role="group" aria-labelledby="plots-title">
        <button type="button" data-span="minutes" aria-pressed="true">${t.plotSpan}</button>
        <button type="button" data-span="life" aria-pressed="false">${t.plotLife}</button>
      </div>
    </div>
    <div class="plots" data-plots>
      <figure>
        <figcaption>${t.giftsASecond}</figcaption>
        <div data-plot="rate" role="img" aria-label="${t.giftsASecond}"></div>
      </figure>
      <figure>
        <figcaption>${t.timeInSlot}</figcaption>
        <div data-plot="latency" role="img" aria-label="${t.timeInSlot}"></div>
      </figure>
    </div>
  </section>`
}

function instanceTable(known: PromotionPageView['instances'], texts: Texts): string {
  const { promotion: t } = texts
  const instances = known ?? []
  return html`<section class="card" aria-labelledby="instances-title" data-instances>
    <h2 id="instances-title">${t.instances}</h2>
    !${dataTable({
      labelledBy: 'instances-title',
      rows: instances,
      instanceOf: ({ instance }) => instance,
      columns: [
        { title: t.instance, isHeader: true, cell: ({ instance }) => html`${instance}` },
        { title: t.slotsInUse, name: 'slots', cell: ({ consumers }) => html`${consumersText(consumers, texts).slots}` },
        { title: t.state, name: 'state', cell: ({ consumers }) => html`${consumersText(consumers, texts).state}` },
        {
          title: t.startAnswered,
          cell: ({ startedEventAt }) => (startedEventAt === null ? html`${t.notSeen}` : timeTag(startedEventAt, texts)),
        },
      ],
    })}
    !${instances.length > 0 ? '' : html`<p>${known === undefined ? t.redisSilent : t.noWorkerAlive}</p>`}
  </section>`
}

/** An instance's consumers of a promotion in words. */
export function consumersText(
  consumers: PromotionInstanceView['consumers'],
  { promotion }: Texts,
): { slots: string; state: string } {
  if (consumers === null) return { slots: NO_FIGURE, state: promotion.noConsumers }
  return {
    slots: promotion.usedOf(consumers.slotsInUse, consumers.slots),
    state: consumers.isPaused ? promotion.consumersPaused : promotion.consumersRunning,
  }
}

type Failures = Pick<PromotionPageView, 'failures' | 'skipped'>

function keptFailureList(id: string, { failures, skipped }: Failures, texts: Texts): string {
  const madeOf = JSON.stringify([failures, skipped])
  return keptMarkup(`failures:${texts.language}:${id}`, madeOf, () => failureList(id, { failures, skipped }, texts))
}

function failureList(id: string, { failures, skipped }: Failures, texts: Texts): string {
  const { promotion: t, gift, frame } = texts
  const links = (['UNKNOWN', 'FAILED', 'RETRYING'] as const).map(
    status => html`<a href="/promotions/${id}/gifts?status=${status}">${t.allOf(gift.states[status])}</a>`,
  )
  const none = html`<p>${failures === undefined ? frame.notRead : t.noFailures}</p>`
  return html`<section class="card" aria-labelledby="failures-title">
    <h2 id="failures-title">${t.failures}</h2>
    !${failures !== undefined && failures.length > 0 ? giftTable(failures, { labelledBy: 'failures-title' }, texts) : none}
    !${skipped === undefined || skipped === 0 ? '' : html`<p><a href="/promotions/${id}/rejected">${t.notTaken(skipped)}</a></p>`}
    <p class="links">!${links} <a href="/promotions/${id}/gifts">${t.allGifts}</a> <a href="/promotions/${id}/dead-letters">${texts.letters.title}</a></p>
  </section>`
}

function giftSearch(id: string, type: string, { promotion: t, gift }: Texts): string {
  return html`<section class="card" aria-labelledby="find-title">
    <h2 id="find-title">${t.findGift}</h2>
    <form class="fields" method="get" action="/gifts">
      <input type="hidden" name="type" value="${type}" />
      <div><label for="target">${gift.targetId}</label><input id="target" name="targetId" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <button type="submit">${t.find}</button>
    </form>
    <form class="fields" method="get" action="/promotions/${id}/gifts">
      <div><label for="member">${gift.memberId}</label><input id="member" name="memberId" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <button type="submit">${t.list}</button>
    </form>
  </section>`
}
