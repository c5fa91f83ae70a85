import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startTestRedis } from '../support/redis.ts'
import { VARIANTS, type Variant } from './connection-variants.ts'
import { CONTENDERS } from './contenders.ts'
import { median } from './median.ts'
import { redisCpuSeconds } from './redis-cpu.ts'

/**
 * One multiplexed connection with one fetcher, beside a pool of eight connections with a fetcher each, and beside one
 * poller a consumer (all on one connection, or each on its own): the comparison that the planning documents asked for.
 * Alternating, medians. `npm run bench:connections -- --rounds 3 --slots 200 --jobs 12000`
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    slots: { type: 'string', default: '200' },
    jobs: { type: 'string', default: '12000' },
  },
})
interface Sample {
  perSecond: number
  /** CPU-seconds of 100,000 jobs. */
  nodeCpu: number
  redisCpu: number
}

const TITLES: Record<Variant, string> = {
  one: 'one connection, one fetcher',
  pool: 'eight connections, eight fetchers',
  pollers: 'one connection, a poller a slot',
  'pollers-own': 'a connection and a poller a slot',
}
const [rounds, slots, jobs] = [values.rounds, values.slots, values.jobs].map(Number) as [number, number, number]
const run = promisify(execFile)
const child = fileURLToPath(new URL('connection-child.ts', import.meta.url))
const redis = await startTestRedis()
const samples = new Map<Variant, Sample[]>(VARIANTS.map(variant => [variant, []]))

try {
  for (let round = 0; round < rounds; round++) {
    for (const variant of VARIANTS) samples.get(variant)?.push(await measure(variant))
  }
} finally {
  await redis.stop()
}
const medians = VARIANTS.map(variant => {
  const list = samples.get(variant) ?? []
  const of = (field: keyof Sample) => Number(median(list.map(sample => sample[field])).toFixed(2))
  return [
    variant,
    { perSecond: Math.round(of('perSecond')), nodeCpu: of('nodeCpu'), redisCpu: of('redisCpu') },
  ] as const
})
for (const [variant, { perSecond, nodeCpu, redisCpu }] of medians) {
  const cpu = `CPU-s of 100,000 jobs: Node ${nodeCpu}, Redis ${redisCpu}`
  process.stdout.write(`${TITLES[variant].padEnd(34)} ${String(perSecond).padStart(6)} jobs/s  ${cpu}\n`)
}
process.stdout.write(`${JSON.stringify(Object.fromEntries(medians))}\n`)

async function measure(variant: Variant): Promise<Sample> {
  await redis.probe.flushall()
  await CONTENDERS.ours.fill(redis.url, 'bench', jobs)
  const before = await redisCpuSeconds(redis.probe)
  const args = [child, variant, redis.url, 'bench', String(jobs), String(slots)]
  const { stdout } = await run(process.execPath, args, { timeout: 120_000 })
  const { seconds, cpuSeconds } = JSON.parse(stdout) as { seconds: number; cpuSeconds: number }
  const scale = 100_000 / jobs
  return {
    perSecond: jobs / seconds,
    nodeCpu: cpuSeconds * scale,
    redisCpu: ((await redisCpuSeconds(redis.probe)) - before) * scale,
  }
}
