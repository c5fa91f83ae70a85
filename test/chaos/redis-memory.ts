import { parseArgs } from 'node:util'
import { ChaosSystem, say } from '../support/chaos.ts'

/**
 * FAULTS.md row 7: Redis out of memory under `noeviction`. What it refuses is tried again; the rows are safe meanwhile,
 * and when there is memory again everything is as it was.
 * `node test/chaos/redis-memory.ts --gifts 60000 --refusals 1000`
 */
const { values } = parseArgs({
  options: { gifts: { type: 'string', default: '100000' }, refusals: { type: 'string', default: '1000' } },
})
const [gifts, refusalsWanted] = [Number(values.gifts), Number(values.refusals)]

const system = await ChaosSystem.start()
await Promise.all([system.child('listener'), system.child('listener')])
// What is not ours fills most of it, so that the gifts meet the end of it.
for (let part = 0; part < 50; part++) await system.redis.append('ballast', 'x'.repeat(1_000_000))
await system.redis.config('SET', 'maxmemory', '64mb')
const promotion = await system.plan(gifts)
await system.run(promotion)
const publishing = system.publish(promotion)
await system.until('refusals', async () => (await refusals()) >= refusalsWanted, 300_000)
await publishing
const refused = await refusals()
say(`${refused} commands refused`)
await Promise.all([system.child('worker'), system.child('worker')])
// Reading, acknowledging and deleting need no memory: the work goes on, and makes room.
const paidMeanwhileSeconds = await system.until(
  'work goes on',
  async () => (await system.count(promotion)).SUCCESS > 1000,
)
await system.redis.config('SET', 'maxmemory', '0')
await system.redis.del('ballast')
const probe = await system.plan(10, 'POINT')
await system.run(probe)
await system.publish(probe)
const normalSeconds = await system.until(
  'a gift published now is paid',
  async () => (await system.count(probe)).SUCCESS === 10,
)
const drainedSeconds = await system.drain()
await system.close(
  'redis-memory',
  { refused, paidMeanwhileSeconds, normalSeconds, drainedSeconds },
  { refusedEnough: refused >= refusalsWanted, normalInTime: normalSeconds <= 60, drained: drainedSeconds <= 120 },
)

async function refusals(): Promise<number> {
  const found = /errorstat_OOM:count=(\d+)/.exec(await system.redis.info('errorstats'))
  return Number(found?.[1] ?? 0)
}
