import { html } from 'ghtml'
import type { ClosingReport } from '#admin/report/closing-report.ts'
import type { ReportJob } from '#admin/report/report-jobs.ts'
import { NO_FIGURE } from '#admin/texts/format.ts'
import type { Texts } from '#admin/texts/texts.ts'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'
import { dataTable } from './data-table.ts'
import { stateBadge } from './gift-table.ts'
import { layout, type PageContext } from './layout.ts'
import { timeTag } from './time-tag.ts'

export interface ReportPageView {
  id: string
  title: string
  /** Undefined: none was made yet. */
  job: ReportJob | undefined
}

/** While it is made the page asks again by itself. */
const REFRESH_SECONDS = 2

export function reportPage({ id, title, job }: ReportPageView, context: PageContext): string {
  const { texts } = context
  const { report: t, frame } = texts
  const isOperator = context.identity?.role === 'operator'
  const isRunning = job?.state === 'running'
  const main = html`<nav class="crumbs" aria-label="${frame.breadcrumb}">
      <a href="/">${frame.promotions}</a> <a href="/promotions/${id}">${title}</a>
    </nav>
    <h1>${t.titleOf(title)}</h1>
    <p id="notice" role="status" class="notice" hidden></p>
    <section class="card controls" aria-label="${t.title}">
      <p>${t.hint}</p>
      !${job === undefined ? '' : progress(job, texts)}
      !${isOperator && !isRunning ? html`<p><button type="button" class="main" data-make-report="${id}">${job === undefined ? t.make : t.again}</button></p>` : ''}
      !${job?.report ? downloads(id, texts) : ''}
    </section>
    !${job?.report ? sections(job.report, texts) : ''}`
  return layout({
    title: t.titleOf(title),
    main,
    context,
    ...(isRunning ? { refreshSeconds: REFRESH_SECONDS } : {}),
  })
}

function progress({ state, step, progress: share, error }: ReportJob, { report: t }: Texts): string {
  if (state === 'done') return ''
  if (state === 'failed') return html`<p class="complaint" role="alert">${t.failed(error ?? '')}</p>`
  return html`<p role="status">${t.running}: ${t.steps[step]}</p>
    <progress max="1" !${share === null ? '' : html`value="${share}"`} aria-label="${t.steps[step]}"></progress>`
}

function downloads(id: string, { report: t }: Texts): string {
  return html`<p class="links">
    <a href="/api/promotions/${id}/report" download="promotion-${id}.json">${t.json}</a>
    <a href="/api/promotions/${id}/report.csv" download="promotion-${id}.csv">${t.csv}</a>
    <span>${t.printHint}</span>
  </p>`
}

function sections(report: ClosingReport, texts: Texts): string {
  return html`!${promotionFacts(report, texts)} !${giftSums(report, texts)} !${rejected(report, texts)} !${audited(report, texts)} !${sealed(report, texts)}`
}

function promotionFacts({ promotion, madeAt, rows, difference, ...report }: ClosingReport, texts: Texts): string {
  const { report: t, promotion: p, format } = texts
  const time = (at: string | null) => (at === null ? NO_FIGURE : timeTag(at, texts))
  const facts: [string, string][] = [
    [p.type, html`${p.types[promotion.type] ?? promotion.type} ${promotion.id}`],
    [texts.gift.state, html`${p.statuses[promotion.status]}`],
    [p.figures.started, time(promotion.startedAt)],
    [p.figures.finished, time(promotion.finishedAt)],
    [
      p.figures.duration,
      html`${report.durationSeconds === null ? NO_FIGURE : format.duration(report.durationSeconds)}`,
    ],
    [p.figures.average, html`${report.averagePerSecond === null ? NO_FIGURE : p.perSecond(report.averagePerSecond)}`],
    [p.figures.deadline, time(promotion.deadlineAt)],
    [t.expected, html`${promotion.totalCount > 0 ? format.number(promotion.totalCount) : t.notKnown}`],
    [t.rows, html`${format.number(rows)}`],
    [t.difference, html`${difference === null ? NO_FIGURE : format.number(difference)}`],
    [t.madeAt, timeTag(madeAt, texts)],
  ]
  return html`<section class="card" aria-labelledby="facts-title">
    <h2 id="facts-title">${t.promotion}</h2>
    <dl class="row">!${facts.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>`)}</dl>
  </section>`
}

function giftSums({ gifts }: ClosingReport, texts: Texts): string {
  const { report: t, gift, format } = texts
  const rows = PROCESS_STATUSES.map(state => ({ state, ...gifts[state] }))
  return html`<section class="card" aria-labelledby="sums-title">
    <h2 id="sums-title">${t.gifts}</h2>
    !${dataTable({
      labelledBy: 'sums-title',
      rows,
      columns: [
        { title: gift.state, isHeader: true, cell: ({ state }) => stateBadge(state, texts) },
        { title: t.count, cell: ({ count }) => html`${format.number(count)}` },
        { title: t.amount, cell: ({ amount }) => html`${format.number(amount)}` },
      ],
    })}
  </section>`
}

function rejected({ skipped }: ClosingReport, texts: Texts): string {
  const { report: t, format } = texts
  const rows = Object.entries(skipped)
  return html`<section class="card" aria-labelledby="rejected-title">
    <h2 id="rejected-title">${t.rejected}</h2>
    !${
      rows.length === 0
        ? html`<p>${t.noneRejected}</p>`
        : dataTable({
            labelledBy: 'rejected-title',
            rows,
            columns: [
              { title: t.reason, isHeader: true, cell: ([reason]) => html`${t.reasons[reason] ?? reason}` },
              { title: t.count, cell: ([, count]) => html`${format.number(count)}` },
            ],
          })
    }
  </section>`
}

function audited({ audit }: ClosingReport, texts: Texts): string {
  const { report: t, format } = texts
  const kinds = Object.entries(audit.counts)
  const all = kinds.reduce((sum, [, count]) => sum + count, 0)
  return html`<section class="card" aria-labelledby="verdict-title">
    <h2 id="verdict-title">${t.audit}</h2>
    <p class="${audit.ok ? '' : 'complaint'}">${all === 0 ? t.auditOk : t.auditBad(all)}</p>
    !${audit.incomplete === null ? '' : html`<p class="complaint">${t.auditIncomplete(audit.incomplete)}</p>`}
    !${
      kinds.length === 0
        ? ''
        : dataTable({
            labelledBy: 'verdict-title',
            rows: kinds,
            columns: [
              { title: t.kind, isHeader: true, cell: ([kind]) => html`${kind}` },
              { title: t.count, cell: ([, count]) => html`${format.number(count)}` },
            ],
          })
    }
    <p class="hint">${t.auditHint}</p>
  </section>`
}

function sealed({ seal }: ClosingReport, texts: Texts): string {
  if (seal === null) return ''
  const { report: t, format } = texts
  const facts: [string, string][] = [
    [t.sealedAt, timeTag(seal.sealedAt, texts)],
    [t.count, html`${format.number(seal.gifts)}`],
    [t.sealRoot, html`<code>${seal.root}</code>`],
    [t.sealKey, html`<code>${seal.key}</code>`],
  ]
  return html`<section class="card" aria-labelledby="seal-title">
    <h2 id="seal-title">${t.seal}</h2>
    <p class="hint">${t.sealHint}</p>
    <dl class="row">!${facts.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>`)}</dl>
  </section>`
}
