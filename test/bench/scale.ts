import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { startPromostream } from './pipeline/promostream-side.ts'
import { startSetting } from './pipeline/setting.ts'
import { measure, type Sample } from './pipeline/side.ts'

/**
 * What a gift costs as campaigns grow: CPU of a gift and gifts a second over sizes and numbers of workers, then one
 * promotion beside ten. Writes a plot; the last line is JSON.
 * `npm run bench:scale -- --sizes 10000,100000,1000000 --workers 1,2,4 --plot docs/images/scale.svg`
 */
const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,100000,1000000' },
    workers: { type: 'string', default: '1,2,4' },
    'many-promotions': { type: 'string', default: '10' },
    plot: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const numbers = (list: string) => list.split(',').map(Number)
const say = (line: string) => process.stderr.write(`${line}\n`)

interface Point {
  messages: number
  workers: number
  promotions: number
  perSecond: number
  /** CPU of all processes, servers included, in µs. */
  microsecondsPerGift: number
  missing: number
  duplicateCharges: number
}

const points: Point[] = []
const setting = await startSetting(50, say)
try {
  for (const workers of numbers(values.workers))
    for (const messages of numbers(values.sizes)) await add(messages, workers, 1)
  const compared = numbers(values.sizes).at(-2) ?? 10_000
  await add(compared, 2, Number(values['many-promotions']))
} finally {
  await setting.close()
}
if (values.plot !== undefined) writeFileSync(values.plot, draw(points.filter(({ promotions }) => promotions === 1)))
process.stdout.write(`${JSON.stringify({ points })}\n`)

async function add(messages: number, workers: number, promotions: number): Promise<void> {
  const { side, campaigns } = await startPromostream(setting, messages, promotions, workers)
  try {
    const point = pointOf(await measure(setting, campaigns, side), { messages, workers, promotions })
    points.push(point)
    say(JSON.stringify(point))
  } finally {
    await side.stop()
  }
}

function pointOf(sample: Sample, of: Pick<Point, 'messages' | 'workers' | 'promotions'>): Point {
  const cpuSeconds = Object.values(sample.cpu).reduce((sum, seconds) => sum + seconds, 0)
  return {
    ...of,
    perSecond: Math.round(sample.perSecond),
    microsecondsPerGift: Math.round(cpuSeconds * 10),
    missing: sample.missing,
    duplicateCharges: sample.duplicateCharges,
  }
}

/** The CPU of one gift over the size of its campaign, a line for each number of workers, as SVG. */
function draw(of: readonly Point[]): string {
  const { document } = parseHTML('<html><body></body></html>')
  const chart = Plot.plot({
    document: document as never,
    width: 640,
    height: 360,
    marginLeft: 60,
    style: { background: 'white' },
    x: { type: 'log', label: 'gifts of a campaign', tickFormat: (gifts: number) => gifts.toLocaleString('en') },
    y: { label: 'CPU of one gift, all processes, µs', zero: true, grid: true },
    color: { type: 'ordinal', label: 'workers', legend: false },
    marks: [
      Plot.line(of, { x: 'messages', y: 'microsecondsPerGift', stroke: point => String(point.workers) }),
      Plot.dot(of, { x: 'messages', y: 'microsecondsPerGift', fill: point => String(point.workers) }),
      Plot.text(
        of.filter(({ messages }) => messages === Math.max(...of.map(point => point.messages))),
        { x: 'messages', y: 'microsecondsPerGift', text: point => `${point.workers} workers`, dy: -10, dx: -20 },
      ),
    ],
  })
  chart.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  return `${chart.outerHTML}\n`
}
