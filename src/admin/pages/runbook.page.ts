import { html } from 'ghtml'
import { BOTTLENECK_CODES } from '#admin/snapshot/cause.ts'
import { layout, type PageContext } from './layout.ts'

/** What to do about each bottleneck; its code is its anchor, here and in docs/runbook.md. */
export function runbookPage(context: PageContext): string {
  const { bottleneck: t, frame } = context.texts
  const codes = BOTTLENECK_CODES.filter(code => code in t.remedies)
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}"><a href="/">${frame.promotions}</a></nav>
    <h1>${t.runbook}</h1>
    <p>${t.runbookIntro}</p>
    !${codes.map(
      code => html`<section class="card" id="${code}" aria-labelledby="title-${code}">
        <h2 id="title-${code}">${t.names[code] ?? ''}</h2>
        <p>${t.remedies[code] ?? ''}</p>
        <p class="hint"><code>${code}</code> <code>docs/runbook.md#${code}</code></p>
      </section>`,
    )}`
  return layout({ title: t.runbook, main, context })
}
