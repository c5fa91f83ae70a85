import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Redis } from 'ioredis'
import { createStreamConnection, StreamPool, StreamQueue, StreamWorker } from '#stream/index.ts'
import { startTestRedis } from '../support/redis.ts'
import { median } from './median.ts'
import { redisCpuSeconds } from './redis-cpu.ts'

/**
 * What idle streams cost: one process with a worker on each of many streams that nobody adds to, for a while; then how
 * soon an entry in one of them is picked up. `npm run bench:idle -- --streams 300 --seconds 20 --adds 50`
 */
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '20' },
    adds: { type: 'string', default: '50' },
  },
})
const streams = Array.from({ length: Number(values.streams) }, (_, index) => `idle-${index}`)
const seconds = Number(values.seconds)

const redis = await startTestRedis()
const connection = createStreamConnection({ url: redis.url })
await connection.ready()
const pool = new StreamPool({ connection, maxInFlight: 1000 })
const pickUps: number[] = []
let addedAtMs = 0
let pickedUp = Promise.withResolvers<void>()
const workers = streams.map(
  stream =>
    new StreamWorker(
      stream,
      () => {
        pickUps.push(performance.now() - addedAtMs)
        pickedUp.resolve()
      },
      { connection, group: 'bench', pool, concurrency: 100 },
    ),
)
await Promise.all(workers.map(worker => once(worker, 'ready')))
// The first looks come in quick succession; the pauses between them grow.
await sleep(2000)

const [cpu, redisBefore, commands, startedAtMs] = [
  process.cpuUsage(),
  await redisCpuSeconds(redis.probe),
  await commandsOf(redis.probe),
  performance.now(),
]
await sleep(seconds * 1000)
const { user, system } = process.cpuUsage(cpu)
const elapsedMs = performance.now() - startedAtMs
const share = (cpuMs: number) => Number(((100 * cpuMs) / elapsedMs).toFixed(2))
const nodeCpuPercent = share((user + system) / 1000)
const redisCpuPercent = share(((await redisCpuSeconds(redis.probe)) - redisBefore) * 1000)
const commandsPerSecond = Math.round((((await commandsOf(redis.probe)) - commands) / elapsedMs) * 1000)

for (let add = 0; add < Number(values.adds); add++) {
  await sleep(100 + Math.random() * 200)
  const stream = streams[Math.floor(Math.random() * streams.length)] ?? ''
  pickedUp = Promise.withResolvers()
  addedAtMs = performance.now()
  await new StreamQueue(stream, { connection }).add({ n: String(add) })
  await pickedUp.promise
}
await Promise.all(workers.map(worker => worker.close()))
await pool.close()
await connection.close()
await redis.stop()

const result = {
  streams: streams.length,
  nodeCpuPercent,
  redisCpuPercent,
  commandsPerSecond,
  pickUpMsMedian: Math.round(median(pickUps)),
  pickUpMsMax: Math.round(Math.max(...pickUps)),
}
process.stdout.write(`${JSON.stringify(result)}\n`)

/** Every command, those inside scripts included. */
async function commandsOf(probe: Redis): Promise<number> {
  const stats = await probe.info('commandstats')
  return [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}
