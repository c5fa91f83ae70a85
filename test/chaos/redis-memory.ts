import { parseArgs } from 'node:util'
import { ChaosSystem, say } from '../support/chaos.ts'

/**
 * Redis out of memory under `noeviction`. What it refuses is tried again; the rows are safe meanwhile,
 * and when there is memory again everything is as it was.
 * `node test/chaos/redis-memory.ts --gifts 60000 --refusals 1000`
 */
const { values } = parseArgs({
  options: { gifts: { type: 'string', default: '100000' }, refusals: { type: 'string', default: '1000' } },
})
const [gifts, refusalsWanted] = [Number(values.gifts), Number(values.refusals)]

// So slow that the stream grows, so that there is something to refuse.
const slow = { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '4' }
const system = await ChaosSystem.start()
const [worker] = await Promise.all([system.child('worker', slow), system.child('listener'), system.child('listener')])
const promotion = await system.plan(gifts)
await system.run(promotion)
// What is not ours fills most of it, so that the gifts meet the end of it.
for (let part = 0; part < 50; part++) await system.redis.append('ballast', 'x'.repeat(1_000_000))
await system.redis.config('SET', 'maxmemory', '64mb')
const publishing = system.publish(promotion)
await system.until('refusals', async () => (await refusals()) >= refusalsWanted, 300_000)
await publishing
const refused = await refusals()
// Reading, acknowledging and deleting need no memory: the work goes on.
const { SUCCESS: paidBefore } = await system.count(promotion)
const workedOnAfterSeconds = await system.until('work goes on', async () => {
  return (await system.count(promotion)).SUCCESS > paidBefore + 100
})
const refusedMeanwhile = (await refusals()) - refused
say(`${refused} commands refused; 100 gifts paid meanwhile after ${workedOnAfterSeconds} s`)
await system.child('worker')
await system.redis.config('SET', 'maxmemory', '0')
await system.redis.del('ballast')
const probe = await system.plan(10, 'POINT')
await system.run(probe)
await system.publish(probe)
const normalSeconds = await system.until(
  'a gift published now is paid',
  async () => (await system.count(probe)).SUCCESS === 10,
)
await worker.stop()
const drainedSeconds = await system.drain()
await system.close(
  'redis-memory',
  { refused, refusedMeanwhile, workedOnAfterSeconds, normalSeconds, drainedSeconds },
  {
    refusedEnough: refused >= refusalsWanted,
    outOfMemoryMeanwhile: refusedMeanwhile > 0,
    normalInTime: normalSeconds <= 60,
    drained: drainedSeconds <= 120,
  },
)

async function refusals(): Promise<number> {
  const found = /errorstat_OOM:count=(\d+)/.exec(await system.redis.info('errorstats'))
  return Number(found?.[1] ?? 0)
}
