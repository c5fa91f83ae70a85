import { html } from 'ghtml'
import { type MoneyCalls, sumOfCalls } from '#admin/snapshot/money-causes.ts'
import { NO_FIGURE } from '#admin/texts/format.ts'
import type { Texts } from '#admin/texts/texts.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'

const FIGURES = ['calls', 'failing', 'p50', 'p99', 'lastError'] as const

/** What the Money API did lately, in words. */
export interface MoneyFields {
  text: Readonly<Record<(typeof FIGURES)[number], string>>
  /** Shares of its answers by what they mean, the greatest first; empty when it was not called. */
  shares: [name: string, share: string][]
}

/** Of the installation, or of a promotion's POSTs. */
export function moneyFields(instances: readonly InstanceRecord[], texts: Texts, promotionId?: string): MoneyFields {
  const reports = instances.flatMap(({ recentCalls, promotions }) => {
    const own = promotions.find(promotion => promotion.promotionId === promotionId)
    return (promotionId === undefined ? recentCalls : own?.recentCalls) ?? []
  })
  return inWords(sumOfCalls(reports), texts)
}

function inWords(calls: MoneyCalls, texts: Texts): MoneyFields {
  const { money, format } = texts
  const isCalled = calls.calls > 0
  const known = (text: string) => (isCalled ? text : NO_FIGURE)
  const shares = Object.entries(calls.byMeaning)
    .sort(([, one], [, other]) => other - one)
    .map(([meaning, count]): [string, string] => [
      money.meanings[meaning] ?? meaning,
      format.percent(count / calls.calls),
    ])
  return {
    text: {
      calls: money.perSecond(calls.perSecond),
      failing: known(format.percent(calls.failedShare)),
      p50: known(money.ms(calls.p50Ms)),
      p99: known(money.ms(calls.p99Ms)),
      lastError: calls.lastError === null ? money.noError : errorInWords(calls.lastError, texts),
    },
    shares,
  }
}

/** An error's code as people say it. */
export function errorInWords(code: string, { money }: Texts): string {
  const status = /^HTTP_(\d{3})$/.exec(code)?.[1]
  return money.errors[code] ?? (status === undefined ? code : money.status(status))
}

export function moneyCard({ text, shares }: MoneyFields, texts: Texts, title: string): string {
  const { money } = texts
  return html`<section class="card" aria-labelledby="money-title" data-money>
    <h2 id="money-title">${title} <small>${money.hint}</small></h2>
    <dl class="figures">
      !${FIGURES.map(
        field => html`<div><dt>${money.figures[field]}</dt><dd data-money-field="${field}">${text[field]}</dd></div>`,
      )}
    </dl>
    <ul class="shares" aria-label="${money.shares}" data-money-shares>
      !${shares.map(([name, share]) => html`<li>${name} <strong>${share}</strong></li>`)}
    </ul>
  </section>`
}
