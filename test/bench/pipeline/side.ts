import { setTimeout as sleep } from 'node:timers/promises'
import type { Campaign } from './gifts.ts'
import { publish } from './gifts.ts'
import { cpuSecondsOf, peakRssMb } from './process-tree.ts'
import { countCharges, type Setting } from './setting.ts'

/** What a side of the comparison has started and how it is watched. */
export interface RunningSide {
  /** Pids by what their CPU is counted as. */
  pids: Record<string, number[]>
  /** Gifts whose row is SUCCESS and whose entry is gone, as far as the side can say cheaply. */
  done(): Promise<number>
  /** Gifts that are SUCCESS, counted row by row once it is over. */
  countPaid(): Promise<number>
  stop(): Promise<void>
}

export interface Sample {
  perSecond: number
  seconds: number
  missing: number
  duplicateCharges: number
  /** CPU-seconds of 100,000 gifts, by process. */
  cpu: Record<string, number>
  peakRssMb: Record<string, number>
}

const POLL_MS = 50
const STALLED_MS = 120_000

/** Publishes while the side works, as a producer does; the time runs from the first record to the last gift. */
export async function measure(setting: Setting, campaigns: readonly Campaign[], side: RunningSide): Promise<Sample> {
  const messages = campaigns.reduce((sum, { gifts }) => sum + gifts, 0)
  const groups = Object.entries(side.pids)
  const cpuOf = () => ({
    ...setting.serverCpu(),
    ...Object.fromEntries(groups.map(([name, pids]) => [name, sum(pids.map(cpuSecondsOf))])),
  })
  const before = cpuOf()
  const startedAtMs = performance.now()
  const publishing = publish(setting.kafka, campaigns)
  await untilDone(side, messages)
  const seconds = (performance.now() - startedAtMs) / 1000
  await publishing
  const after = cpuOf()
  const peaks = Object.fromEntries(groups.map(([name, pids]) => [name, Math.max(...pids.map(peakRssMb))]))
  const scale = 100_000 / messages
  const { duplicates } = await countCharges(setting, [...new Set(campaigns.map(({ promotionId }) => promotionId))])
  return {
    seconds,
    perSecond: messages / seconds,
    missing: messages - (await side.countPaid()),
    duplicateCharges: duplicates,
    cpu: Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, (value - (before[name] ?? 0)) * scale]),
    ),
    peakRssMb: peaks,
  }
}

async function untilDone(side: RunningSide, messages: number): Promise<void> {
  let [last, movedAtMs] = [0, performance.now()]
  for (;;) {
    const done = await side.done()
    if (done >= messages) return
    if (done !== last) movedAtMs = performance.now()
    last = done
    if (performance.now() - movedAtMs > STALLED_MS) throw new Error(`stalled at ${done} of ${messages} gifts`)
    await sleep(POLL_MS)
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
