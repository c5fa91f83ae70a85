import { html } from 'ghtml'
import type { Texts } from '#admin/texts/texts.ts'
import type { PromotionFields } from './fields.ts'
import { ACTIONS, type Action, ASKED, DANGEROUS } from './promotion-actions.ts'

/** Only what applies is shown, one of it as the main thing to do; what cannot be taken back stands apart. */
export function operationsCard(
  fields: PromotionFields,
  consumersPerInstance: number | null | undefined,
  texts: Texts,
): string {
  const { promotion: t, frame } = texts
  const safe = ACTIONS.filter(action => !DANGEROUS.includes(action))
  const hasDanger = DANGEROUS.some(action => fields.actions.includes(action))
  return html`<section class="card" aria-labelledby="operations-title">
    <h2 id="operations-title">${t.operations}</h2>
    <div class="buttons">!${safe.map(action => actionButton(action, fields, texts))}</div>
    <p id="notice" role="status" class="notice" tabindex="-1" hidden></p>
    <details class="danger" data-danger !${hasDanger ? '' : 'hidden'}>
      <summary>${t.dangerous}</summary>
      <div class="buttons">!${DANGEROUS.map(action => actionButton(action, fields, texts))}</div>
    </details>
    <form class="fields" data-concurrency !${fields.status === 'COMPLETED' ? 'hidden' : ''}>
      <div>
        <label for="slots">${t.slotsLabel}</label>
        <input id="slots" name="slots" inputmode="numeric" pattern="[1-9][0-9]{0,5}" value="${consumersPerInstance ?? ''}" />
      </div>
      <button type="submit">${t.set}</button>
    </form>
    <p class="hint">${t.everyChange} <a href="/audit">${frame.activity}</a></p>
  </section>
  !${confirmation(fields.title, texts)}`
}

function actionButton(action: Action, { actions, primary }: PromotionFields, { promotion: t }: Texts): string {
  const isDangerous = DANGEROUS.includes(action)
  const question = isDangerous || ASKED.includes(action) ? (t.questions[action] ?? '') : ''
  const look = isDangerous ? 'danger' : action === primary ? 'main' : ''
  return html`<button type="button" class="${look}" data-action="${action}" data-confirm="${question}"
    data-named="${isDangerous ? 'yes' : ''}" !${actions.includes(action) ? '' : 'hidden'}>${t.actions[action]}</button>`
}

function confirmation(title: string, { promotion: t }: Texts): string {
  return html`<dialog data-dialog aria-labelledby="dialog-title">
    <form method="dialog">
      <h2 id="dialog-title" data-dialog-title></h2>
      <p data-dialog-question></p>
      <div data-dialog-name="${title}">
        <label for="dialog-name">${t.typeName(title)}</label>
        <input id="dialog-name" autocomplete="off" />
      </div>
      <div class="buttons">
        <button type="submit" value="cancel" formnovalidate>${t.cancel}</button>
        <button type="submit" value="confirm" class="danger" data-dialog-confirm>${t.confirm}</button>
      </div>
    </form>
  </dialog>`
}

/** Nothing has come yet: how gifts are published, ready to copy. */
export function nextStep({ id, type, isEmpty }: PromotionFields, { promotion: t }: Texts): string {
  const command = `npm run promostream -- publish --file gifts.csv --type ${type} --promotion ${id} --summary ${id}`
  return html`<section class="card" aria-labelledby="next-title" data-next !${isEmpty ? '' : 'hidden'}>
    <h2 id="next-title">${t.nextStep}</h2>
    <p>${t.publishHint}</p>
    <pre><code data-copied>${command}</code></pre>
    <p><button type="button" data-copy data-done="${t.copied}">${t.copy}</button></p>
  </section>`
}
