import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startTestRedis } from '../support/redis.ts'
import { CONTENDERS, type ContenderName } from './contenders.ts'
import { median } from './median.ts'
import { redisCpuSeconds } from './redis-cpu.ts'

/**
 * StreamWorker beside BullMQ's Worker and groupmq, alternating in one run, each in a process of its own, on jobs that
 * lie ready: handlers that do nothing, and handlers of 50 ms. Medians over the rounds; the CPU of the worker's process
 * and of Redis for 100,000 jobs. `npm run bench:worker -- --rounds 3 --seconds 5 --concurrency 50,200,1000`
 * `--contenders ours,json` puts the codecs side by side; `--contenders ours,timers --handlers sleep50` a worker beside what
 * the timers of its handlers allow.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '50,200,1000' },
    contenders: { type: 'string', default: 'ours,bullmq,groupmq' },
    handlers: { type: 'string', default: 'noop,sleep50' },
  },
})
const rounds = Number(values.rounds)
const concurrencies = values.concurrency.split(',').map(Number)
const contenders = values.contenders.split(',') as ContenderName[]
const handlers = values.handlers.split(',') as Handler[]
/** Roughly what each does in a second, to give each as much work as fills the time. */
const NOOP_PER_SECOND: Record<ContenderName, number> = {
  ours: 50_000,
  json: 50_000,
  bullmq: 8_000,
  groupmq: 2_000,
  timers: 50_000,
}
/** More jobs than this are not queued for one run of those that take long to fill. */
const MAX_JOBS: Record<ContenderName, number> = {
  ours: 400_000,
  json: 400_000,
  bullmq: 100_000,
  groupmq: 6_000,
  timers: 400_000,
}
const JOB_MS = 50

type Handler = 'noop' | 'sleep50'
interface Sample {
  perSecond: number
  /** CPU-seconds of 100,000 jobs. */
  nodeCpu: number
  redisCpu: number
}

const run = promisify(execFile)
const consumer = fileURLToPath(new URL('consumer.ts', import.meta.url))
const redis = await startTestRedis()
const samples = new Map<string, Sample[]>()
const keyOf = (handler: Handler, contender: ContenderName, concurrency: number) =>
  `${handler} ${contender} ${concurrency}`

try {
  for (let round = 1; round <= rounds; round++) {
    for (const handler of handlers) {
      for (const concurrency of concurrencies) {
        for (const contender of contenders) {
          const sample = await measure(handler, contender, concurrency)
          const key = keyOf(handler, contender, concurrency)
          samples.set(key, [...(samples.get(key) ?? []), sample])
          process.stderr.write(`${round}/${rounds} ${key.padEnd(22)} ${describe(sample)}\n`)
        }
      }
    }
  }
} finally {
  await redis.stop()
}
report()

async function measure(handler: Handler, contender: ContenderName, concurrency: number): Promise<Sample> {
  const perSecond = handler === 'noop' ? NOOP_PER_SECOND[contender] : (concurrency * 1000) / JOB_MS
  const jobs = Math.min(MAX_JOBS[contender], Math.round(perSecond * Number(values.seconds)))
  const name = `bench-${handler}-${concurrency}`
  await redis.probe.flushall()
  await CONTENDERS[contender].fill(redis.url, name, jobs)
  const before = await redisCpuSeconds(redis.probe)
  const jobMs = handler === 'noop' ? 0 : JOB_MS
  const { stdout } = await run(
    process.execPath,
    [consumer, contender, redis.url, name, ...[jobs, concurrency, jobMs].map(String)],
    { timeout: 120_000 },
  )
  const { seconds, cpuSeconds } = JSON.parse(stdout) as { seconds: number; cpuSeconds: number }
  const scale = 100_000 / jobs
  return {
    perSecond: jobs / seconds,
    nodeCpu: cpuSeconds * scale,
    redisCpu: ((await redisCpuSeconds(redis.probe)) - before) * scale,
  }
}

function describe({ perSecond, nodeCpu, redisCpu }: Sample): string {
  return `${Math.round(perSecond).toString().padStart(7)} jobs/s  CPU-s of 100,000 jobs: Node ${nodeCpu.toFixed(2)}, Redis ${redisCpu.toFixed(2)}`
}

function medianOf(handler: Handler, contender: ContenderName, concurrency: number): Sample {
  const list = samples.get(keyOf(handler, contender, concurrency)) ?? []
  const of = (field: keyof Sample) => median(list.map(sample => sample[field]))
  return { perSecond: of('perSecond'), nodeCpu: of('nodeCpu'), redisCpu: of('redisCpu') }
}

/** A contender at the concurrency where it does most. */
function best(handler: Handler, contender: ContenderName): Sample {
  return concurrencies
    .map(concurrency => medianOf(handler, contender, concurrency))
    .reduce((left, right) => (right.perSecond > left.perSecond ? right : left))
}

function report(): void {
  for (const [key, list] of samples) {
    const [handler, contender, concurrency] = key.split(' ') as [Handler, ContenderName, string]
    process.stdout.write(
      `median of ${list.length}: ${key.padEnd(22)} ${describe(medianOf(handler, contender, Number(concurrency)))}\n`,
    )
  }
  const round = (value: number, digits: number) => Number(value.toFixed(digits))
  const [noop, bullNoop] = [best('noop', 'ours'), best('noop', 'bullmq')]
  const most = concurrencies.at(-1) ?? 0
  const [sleep50, bullSleep50] = [medianOf('sleep50', 'ours', most), medianOf('sleep50', 'bullmq', most)]
  const result = {
    noop: {
      ours: Math.round(noop.perSecond),
      bullmq: Math.round(bullNoop.perSecond),
      ratio: round(noop.perSecond / bullNoop.perSecond, 2),
      cpuRatio: round((bullNoop.nodeCpu + bullNoop.redisCpu) / (noop.nodeCpu + noop.redisCpu), 2),
    },
    sleep50: {
      ours: Math.round(sleep50.perSecond),
      bullmq: Math.round(bullSleep50.perSecond),
      ratio: round(sleep50.perSecond / bullSleep50.perSecond, 2),
      idealShare: round(sleep50.perSecond / ((most * 1000) / JOB_MS), 3),
    },
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
