import { texts as all, page as shown } from './page-tools.js'
import uPlot from './uplot.js'

/** A promotion's throughput and latency over the last ten minutes; a point is added with each event. */

const page = shown
const dark = matchMedia('(prefers-color-scheme: dark)')
const MAX_POINTS = 600
const texts = all.plot
const number = new Intl.NumberFormat(document.documentElement.lang)
/** The reader's own time, as everywhere on these pages. */
const { lang } = document.documentElement
const clock = new Intl.DateTimeFormat(lang, { timeStyle: 'medium', hourCycle: 'h23' })
const clockOfDay = new Intl.DateTimeFormat(lang, { timeStyle: 'short', hourCycle: 'h23' })
const day = new Intl.DateTimeFormat(lang, { month: 'short', day: 'numeric', hour: '2-digit', hourCycle: 'h23' })
const HOUR_S = 3600

const PLOTS = [
  { name: 'rate', field: 'perSecond', unit: texts.units.rate, color: '--plot-rate' },
  { name: 'latency', field: 'latencyMs', unit: texts.units.latency, color: '--plot-latency' },
]

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
function timesOf(ticks) {
  const span = ticks.at(-1) - ticks[0]
  const format = span > 24 * HOUR_S ? day : span > HOUR_S ? clockOfDay : clock
  return ticks.map(seconds => format.format(new Date(seconds * 1000)))
}
const rgba = (hex, alpha) => `${hex}${Math.round(alpha * 255).toString(16)}`

function draw({ name, color }, holder, data) {
  const axis = { stroke: css('--muted'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line') } }
  const plot = new uPlot(
    {
      width: holder.clientWidth,
      height: 190,
      legend: { show: false },
      cursor: { y: false },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, space: 72, values: (_plot, ticks) => timesOf(ticks) },
        { ...axis, size: 56 },
      ],
      series: [
        {},
        {
          label: name,
          stroke: css(color),
          fill: rgba(css(color), 0.12),
          width: 2,
          points: { show: false },
          spanGaps: false,
        },
      ],
    },
    data,
    holder,
  )
  return plot
}

/** What a screen reader says of a plot: its last value and its span. */
function describe(holder, label, unit, values, span) {
  const known = values.filter(value => value !== null)
  const last = known.at(-1)
  const highest = number.format(Math.max(...known))
  const text = `${texts.now} ${number.format(last)} ${unit}, ${texts.highest} ${highest}`
  holder.setAttribute('aria-label', `${label}, ${span}: ${last === undefined ? texts.empty : text}`)
}

async function read(span) {
  const path = `../api/promotions/${page.dataset.promotion}/history?span=${span}`
  const response = await fetch(new URL(path, import.meta.url))
  return response.ok ? response.json() : []
}

async function start() {
  let span = 'minutes'
  let points = await read(span)
  const spanText = () => document.querySelector(`[data-span="${span}"]`).textContent
  const plots = PLOTS.map(plot => {
    const holder = document.querySelector(`[data-plot="${plot.name}"]`)
    const label = holder.closest('figure').querySelector('figcaption').textContent
    return { ...plot, holder, label, chart: undefined }
  })
  const dataOf = field => [points.map(({ at }) => at), points.map(point => point[field])]
  const redraw = () => {
    for (const plot of plots) {
      plot.chart?.destroy()
      plot.chart = draw(plot, plot.holder, dataOf(plot.field))
      describe(plot.holder, plot.label, plot.unit, dataOf(plot.field)[1], spanText())
    }
  }
  redraw()
  for (const button of document.querySelectorAll('[data-span]')) {
    button.addEventListener('click', async () => {
      span = button.dataset.span
      for (const each of document.querySelectorAll('[data-span]')) each.ariaPressed = String(each === button)
      points = await read(span)
      redraw()
    })
  }
  dark.addEventListener('change', redraw)
  new ResizeObserver(() => {
    for (const { chart, holder } of plots) chart.setSize({ width: holder.clientWidth, height: 190 })
  }).observe(page)
  page.addEventListener('point', ({ detail: point }) => {
    if (span !== 'minutes' || point === null || (points.at(-1)?.at ?? 0) >= point.at) return
    points.push(point)
    if (points.length > MAX_POINTS) points.shift()
    for (const { chart, field, holder, label, unit } of plots) {
      const data = dataOf(field)
      chart.setData(data)
      describe(holder, label, unit, data[1], spanText())
    }
  })
}

start()
