import { parseArgs } from 'node:util'
import { median } from './median.ts'
import { hotShareOf, startPromostream } from './pipeline/promostream-side.ts'
import { LOOPS, startLoop } from './pipeline/raw-side.ts'
import { startSetting } from './pipeline/setting.ts'
import { measure, type Sample } from './pipeline/side.ts'

/**
 * The whole way of a gift on real servers, promostream beside a bare loop (and, with `--sides promostream,raw,bullmq,sequential`,
 * beside the same with BullMQ in the stream's place, and one gift after the other) that sends the same commands, alternating in
 * one run: gifts a second from the first record to the last row, and the CPU of every process. Medians over the rounds;
 * the last line is JSON. `npm run bench:pipeline -- --messages 200000 --workers 2 --rounds 3 --json`
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    workers: { type: 'string', default: '2' },
    promotions: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    'money-latency': { type: 'string', default: '50' },
    sides: { type: 'string', default: 'promostream,raw' },
    /** Gifts of the sequential side, which takes 60 ms for each. */
    sample: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
  },
})
const [messages, workers, rounds] = [Number(values.messages), Number(values.workers), Number(values.rounds)]
const sides = values.sides.split(',')
const say = (line: string) => process.stderr.write(`${line}\n`)
const samples = new Map<string, Sample[]>()

const setting = await startSetting(Number(values['money-latency']), say)
let hotUpdates = 1
try {
  for (let round = 1; round <= rounds; round++) {
    for (const name of sides) {
      const loop = LOOPS.find(of => of === name)
      const started =
        loop === undefined
          ? await startPromostream(setting, messages, Number(values.promotions), workers)
          : await startLoop(loop, setting, loop === 'sequential' ? Number(values.sample) : messages, workers)
      try {
        const sample = await measure(setting, started.campaigns, started.side)
        samples.set(name, [...(samples.get(name) ?? []), sample])
        say(`${round}/${rounds} ${describe(name, sample)}`)
      } finally {
        await started.side.stop()
      }
    }
  }
  hotUpdates = await hotShareOf(setting)
} finally {
  await setting.close()
}
report()

function describe(name: string, { perSecond, cpu, missing, duplicateCharges, peakRssMb }: Sample): string {
  const figures = Object.entries(cpu).map(([process, seconds]) => `${process} ${seconds.toFixed(1)}`)
  const memory = Object.entries(peakRssMb).map(([process, mb]) => `${process} ${mb}`)
  return `${name.padEnd(12)}${Math.round(perSecond).toString().padStart(7)} gifts/s  missing ${missing}, charged twice ${duplicateCharges}  CPU-s of 100,000: ${figures.join(', ')}  peak MiB: ${memory.join(', ')}`
}

function report(): void {
  const of = (name: string, pick: (sample: Sample) => number) => median((samples.get(name) ?? []).map(pick))
  const most = (pick: (sample: Sample) => number) => Math.max(...[...samples.values()].flat().map(pick))
  const cpuOf = (name: string) =>
    Object.fromEntries(
      Object.keys(samples.get(name)?.[0]?.cpu ?? {}).map(process => [
        process,
        rounded(
          of(name, ({ cpu }) => cpu[process] ?? 0),
          2,
        ),
      ]),
    )
  const [ours, raw] = [of('promostream', ({ perSecond }) => perSecond), of('raw', ({ perSecond }) => perSecond)]
  const result = {
    messages,
    perSecond: rounded(ours, 0),
    rawPerSecond: rounded(raw, 0),
    ...Object.fromEntries(
      sides
        .filter(name => name === 'bullmq' || name === 'sequential')
        .map(name => [
          `${name}PerSecond`,
          rounded(
            of(name, ({ perSecond }) => perSecond),
            1,
          ),
        ]),
    ),
    share: rounded(ours / raw, 3),
    duplicateCharges: most(({ duplicateCharges }) => duplicateCharges),
    missing: most(({ missing }) => missing),
    workerPeakRssMb: rounded(
      of('promostream', ({ peakRssMb }) => peakRssMb.workers ?? 0),
      0,
    ),
    listenerPeakRssMb: rounded(
      of('promostream', ({ peakRssMb }) => peakRssMb.listener ?? 0),
      0,
    ),
    cpuSecondsPer100k: cpuOf('promostream'),
    rawCpuSecondsPer100k: cpuOf('raw'),
    hotUpdates: rounded(hotUpdates, 4),
  }
  if (!values.json) {
    for (const [name, list] of samples) for (const sample of list) process.stdout.write(`${describe(name, sample)}\n`)
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
