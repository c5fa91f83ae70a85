import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import type { publish } from './pipeline/gifts.ts'
import { cpuSecondsOf } from './pipeline/process-tree.ts'
import { startPromostream } from './pipeline/promostream-side.ts'
import { startSetting } from './pipeline/setting.ts'

/**
 * One gift at a time on a system that has nothing else to do: from just before its record is sent to the moment its row is
 * seen SUCCESS. Before that, what a listener and a worker use while one promotion is in progress and nothing comes. The last
 * line is JSON. `npm run bench:latency -- --gifts 1000 --idle-seconds 30`
 */
const { values } = parseArgs({
  options: {
    gifts: { type: 'string', default: '1000' },
    'idle-seconds': { type: 'string', default: '30' },
    'money-latency': { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
})
const [gifts, idleSeconds] = [Number(values.gifts), Number(values['idle-seconds'])]
const say = (line: string) => process.stderr.write(`${line}\n`)
/** After what the processes do once when they have started. */
const SETTLE_MS = 5000
/** Between two gifts: longer than a poll, and no multiple of one. */
const PAUSE_MS = 73

const setting = await startSetting(Number(values['money-latency']), say)
try {
  const { side, campaigns } = await startPromostream(setting, gifts, 1, 1)
  try {
    await sleep(SETTLE_MS)
    const idle = await measureIdle(side.pids)
    const latenciesMs = await measureGifts(campaigns[0] as (typeof campaigns)[number])
    const result = {
      gifts,
      p50Ms: percentile(latenciesMs, 0.5),
      p99Ms: percentile(latenciesMs, 0.99),
      maxMs: percentile(latenciesMs, 1),
      idlePercentOfACore: idle,
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  } finally {
    await side.stop()
  }
} finally {
  await setting.close()
}

async function measureIdle(pids: Record<string, number[]>): Promise<Record<string, number>> {
  const usedBy = () => Object.entries(pids).map(([name, [pid = 0]]) => [name, cpuSecondsOf(pid)] as const)
  const before = new Map(usedBy())
  await sleep(idleSeconds * 1000)
  return Object.fromEntries(
    usedBy().map(([name, seconds]) => [
      name,
      Math.round(((seconds - (before.get(name) ?? 0)) / idleSeconds) * 1000) / 10,
    ]),
  )
}

async function measureGifts(campaign: Parameters<typeof publish>[1][number]): Promise<number[]> {
  const producer = setting.kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  const latenciesMs: number[] = []
  for (let index = 0; index < gifts; index++) {
    const target = 9_007_199_254_740_993n + BigInt(index)
    const value = `{"promotionId":"${campaign.promotionId}","promotionSummaryId":"1","voucherTargetId":"${target}","partitionKey":"member-${index}","memberId":"${index + 1}","amount":"100"}`
    const startedAtMs = performance.now()
    await producer.send({ topic: campaign.topic, acks: -1, messages: [{ key: `member-${index}`, value }] })
    await untilPaid(target)
    latenciesMs.push(performance.now() - startedAtMs)
    await sleep(PAUSE_MS)
  }
  await producer.disconnect()
  return latenciesMs.sort((left, right) => left - right)
}

async function untilPaid(target: bigint): Promise<void> {
  for (;;) {
    const { rows } = await sql<{ status: string }>`
      select process_status as status from campaign_promotion_voucher_result
      where voucher_target_id = ${target.toString()}::bigint`.execute(setting.kysely)
    if (rows[0]?.status === 'SUCCESS') return
    await sleep(1)
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10
}
