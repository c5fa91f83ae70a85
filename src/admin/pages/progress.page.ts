import { html } from 'ghtml'
import type { Snapshot } from '#admin/snapshot/sampler.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { type PromotionFields, toFields } from './fields.ts'
import { layout, type PageContext } from './layout.ts'
import { bottleneckList, figures, progressBar, statusBadge } from './promotion-parts.ts'

export function progressPage({ promotions, around }: Snapshot, context: PageContext): string {
  const isOperator = context.identity?.role === 'operator'
  const cards = promotions.map(view => card(toFields(view), view.name, view.type))
  const main = html`<div class="head">
      <h1>Promotions</h1>
      <p class="live" data-live>
        <span data-workers>${workersText(around.instances?.length ?? null)}</span>
        <span class="pulse" data-pulse hidden>live</span>
      </p>
    </div>
    <p id="notice" role="status" class="notice" hidden></p>
    !${isOperator ? newPromotion() : ''}
    <ul class="promotions" data-page="progress">
      !${cards}
    </ul>
    !${cards.length > 0 ? '' : emptyText()}`
  return layout({ title: 'Promotions', main, context, scripts: ['/assets/pages.js'] })
}

export function workersText(workers: number | null): string {
  if (workers === null) return 'Redis does not answer'
  return workers === 1 ? '1 worker alive' : `${workers} workers alive`
}

function card(fields: PromotionFields, name: string, type: string): string {
  return html`<li class="card" data-promotion="${fields.id}">
    <div class="title">
      <h2><a href="/promotions/${fields.id}">${name === '' ? `Promotion ${fields.id}` : name}</a></h2>
      !${statusBadge(fields)}
      <small>${type} ${fields.id}</small>
    </div>
    !${progressBar(fields)} !${figures(fields)} !${bottleneckList(fields.bottlenecks)}
  </li>`
}

function emptyText(): string {
  return html`<div class="card empty">
    <p>There are no promotions yet.</p>
    <p>One is made here by an operator, by <code>promostream create</code>, or by another program's INSERT.</p>
  </div>`
}

function newPromotion(): string {
  return html`<details class="card">
    <summary>New promotion</summary>
    <form class="fields" data-create>
      <div><label for="new-id">Id</label><input id="new-id" name="id" required pattern="[1-9][0-9]{0,18}" inputmode="numeric" /></div>
      <div>
        <label for="new-type">Type</label>
        <select id="new-type" name="type">!${PROMOTION_TYPES.map(type => html`<option>${type}</option>`)}</select>
      </div>
      <div><label for="new-name">Name</label><input id="new-name" name="name" maxlength="200" /></div>
      <div>
        <label for="new-total">Gifts in all (0 = not known)</label>
        <input id="new-total" name="totalCount" value="0" pattern="[0-9]{1,12}" inputmode="numeric" />
      </div>
      <button type="submit" class="main">Make it</button>
    </form>
  </details>`
}
