import { html } from 'ghtml'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import type { GiftRecord } from '#database/gifts/gift-pages.ts'
import { dataTable } from './data-table.ts'
import { toFields } from './fields.ts'
import { giftTable } from './gift-table.ts'
import { layout, type PageContext } from './layout.ts'
import { bottleneckList, figures, progressBar, statusBadge } from './promotion-parts.ts'

export interface PromotionInstanceView {
  instance: string
  startedEventAt: string | null
  consumers: { slots: number; slotsInUse: number; isPaused: boolean } | null
}

export interface PromotionPageView {
  promotion: PromotionView
  instances: readonly PromotionInstanceView[]
  /** UNKNOWN and FAILED ones, the first few. */
  failures: readonly GiftRecord[]
}

export const ACTIONS = [
  ['start', 'Start', ''],
  ['pause', 'Pause', ''],
  ['resume', 'Resume', ''],
  ['stop', 'Stop', 'Stop it? Its entries are removed, its rows are kept; start resumes it.'],
  ['finish', 'Finish', 'Finish it? It takes no gift any more, and cannot be started again.'],
  ['rebuild', 'Rebuild', ''],
  ['retry-unknown', 'Retry unknown', 'Try every UNKNOWN gift once more, with the same keys?'],
  ['reconcile-unknown', 'Reconcile unknown', ''],
  ['resume-calls', 'Lift refusal', 'Call the Money API again, from every worker?'],
] as const

const MORE_FIGURES = [
  ['waiting', 'Waiting'],
  ['active', 'In flight'],
  ['slots', 'Slots in use'],
] as const

export function promotionPage({ promotion, instances, failures }: PromotionPageView, context: PageContext): string {
  const fields = toFields(promotion)
  const { id, name, type } = promotion
  const isOperator = context.identity?.role === 'operator'
  const title = name === '' ? `Promotion ${id}` : name
  const main = html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/">Promotions</a></nav>
    <article data-page="promotion" data-promotion="${id}">
      <div class="title">
        <h1>${title}</h1>
        !${statusBadge(fields)}
        <small>${type} ${id}</small>
        <span class="pulse" data-pulse hidden>live</span>
      </div>
      <p id="notice" role="status" class="notice" tabindex="-1" hidden></p>
      <section class="card" aria-label="Progress">
        !${progressBar(fields)} !${figures(fields, MORE_FIGURES)} <div role="status">!${bottleneckList(fields.bottlenecks)}</div>
      </section>
      !${isOperator ? operations(promotion, fields.actions) : ''}
      <section class="card" aria-labelledby="plots-title">
        <h2 id="plots-title">Throughput and latency</h2>
        <div class="plots" data-plots>
          <figure>
            <figcaption>Gifts a second</figcaption>
            <div data-plot="rate" role="img" aria-label="Gifts a second over the last ten minutes"></div>
          </figure>
          <figure>
            <figcaption>Time of a gift in a slot, ms</figcaption>
            <div data-plot="latency" role="img" aria-label="Milliseconds of a gift in a slot over the last ten minutes"></div>
          </figure>
        </div>
      </section>
      !${instanceTable(instances)} !${failureList(id, failures)} !${giftSearch(id, type)}
    </article>`
  const assets = { scripts: ['/assets/pages.js', '/assets/charts.js'], styles: ['/assets/uplot.css'] }
  return layout({ title, main, context, ...assets })
}

function operations({ id, consumersPerInstance }: PromotionView, allowed: readonly string[]): string {
  return html`<section class="card" aria-label="Operations">
    <div class="buttons">
      !${ACTIONS.map(
        ([action, text, question]) => html`<button
          type="button" data-action="${action}" data-confirm="${question}" !${allowed.includes(action) ? '' : 'disabled'}
        >${text}</button>`,
      )}
    </div>
    <form class="fields" data-concurrency>
      <div>
        <label for="slots">Slots in each worker (empty = as its total asks)</label>
        <input id="slots" name="slots" inputmode="numeric" pattern="[1-9][0-9]{0,5}" value="${consumersPerInstance ?? ''}" />
      </div>
      <button type="submit">Set</button>
    </form>
    <p class="hint">Every change is kept in the <a href="/audit">activity log</a> with your name. Promotion ${id}.</p>
  </section>`
}

function instanceTable(instances: readonly PromotionInstanceView[]): string {
  return html`<section class="card" aria-labelledby="instances-title" data-instances>
    <h2 id="instances-title">Consumers per instance</h2>
    !${dataTable({
      labelledBy: 'instances-title',
      rows: instances,
      instanceOf: ({ instance }) => instance,
      columns: [
        { title: 'Instance', isHeader: true, cell: ({ instance }) => html`${instance}` },
        { title: 'Slots in use', name: 'slots', cell: ({ consumers }) => html`${consumersText(consumers).slots}` },
        { title: 'State', name: 'state', cell: ({ consumers }) => html`${consumersText(consumers).state}` },
        {
          title: 'Start answered',
          cell: ({ startedEventAt }) => html`${startedEventAt ?? 'not seen'}`,
        },
      ],
    })}
    !${instances.length > 0 ? '' : html`<p>No worker is alive.</p>`}
  </section>`
}

/** An instance's consumers of a promotion in words. */
export function consumersText(consumers: PromotionInstanceView['consumers']): { slots: string; state: string } {
  if (consumers === null) return { slots: '–', state: 'no consumers' }
  return { slots: `${consumers.slotsInUse} of ${consumers.slots}`, state: consumers.isPaused ? 'paused' : 'running' }
}

function failureList(id: string, failures: readonly GiftRecord[]): string {
  const links = (['UNKNOWN', 'FAILED', 'RETRYING'] as const).map(
    status => html`<a href="/promotions/${id}/gifts?status=${status}">All ${status}</a>`,
  )
  return html`<section class="card" aria-labelledby="failures-title">
    <h2 id="failures-title">Failures</h2>
    !${failures.length > 0 ? giftTable(failures, 'failures-title') : html`<p>None is FAILED or UNKNOWN.</p>`}
    <p class="links">!${links} <a href="/promotions/${id}/gifts">All gifts</a> <a href="/promotions/${id}/dead-letters">Dead letters</a></p>
  </section>`
}

function giftSearch(id: string, type: string): string {
  return html`<section class="card" aria-labelledby="find-title">
    <h2 id="find-title">Find a gift</h2>
    <form class="fields" method="get" action="/gifts">
      <input type="hidden" name="type" value="${type}" />
      <div><label for="target">Target id</label><input id="target" name="targetId" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <button type="submit">Find</button>
    </form>
    <form class="fields" method="get" action="/promotions/${id}/gifts">
      <div><label for="member">Member id</label><input id="member" name="memberId" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <button type="submit">List</button>
    </form>
  </section>`
}
