import uPlot from './uplot.js'

/** A promotion's throughput and latency over the last ten minutes; a point is added with each event. */

const page = document.querySelector('[data-page="promotion"]')
const dark = matchMedia('(prefers-color-scheme: dark)')
const MAX_POINTS = 600

const PLOTS = [
  { name: 'rate', field: 'perSecond', unit: 'gifts a second', color: '--plot-rate' },
  { name: 'latency', field: 'latencyMs', unit: 'milliseconds', color: '--plot-latency' },
]

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
/** As everywhere on these pages: UTC. */
const timeOf = seconds => new Date(seconds * 1000).toISOString().slice(11, 19)
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
        { ...axis, space: 72, values: (_plot, ticks) => ticks.map(timeOf) },
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
function describe(holder, label, unit, values) {
  const known = values.filter(value => value !== null)
  const last = known.at(-1)
  const text = last === undefined ? 'no values yet' : `now ${last} ${unit}, highest ${Math.max(...known)}`
  holder.setAttribute('aria-label', `${label} over the last ten minutes: ${text}`)
}

async function start() {
  const response = await fetch(new URL(`../api/promotions/${page.dataset.promotion}/history`, import.meta.url))
  const points = response.ok ? await response.json() : []
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
      describe(plot.holder, plot.label, plot.unit, dataOf(plot.field)[1])
    }
  }
  redraw()
  dark.addEventListener('change', redraw)
  new ResizeObserver(() => {
    for (const { chart, holder } of plots) chart.setSize({ width: holder.clientWidth, height: 190 })
  }).observe(page)
  page.addEventListener('point', ({ detail: point }) => {
    if (point === null || (points.at(-1)?.at ?? 0) >= point.at) return
    points.push(point)
    if (points.length > MAX_POINTS) points.shift()
    for (const { chart, field, holder, label, unit } of plots) {
      const data = dataOf(field)
      chart.setData(data)
      describe(holder, label, unit, data[1])
    }
  })
}

start()
