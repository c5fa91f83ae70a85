import { type ChaosSystem, say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const MAX_BYTES = 64 * 2 ** 20
const BALLAST_BYTES = 45 * 2 ** 20
/** An entry with its message, and what is kept beside it. */
const BYTES_A_GIFT = 200

/**
 * Redis out of memory under `noeviction`. What it refuses is tried again; the rows are safe meanwhile,
 * and when there is memory again everything is as it was.
 */
export const redisMemory: Scenario = {
  about: 'Redis out of memory: at least 1,000 refusals, normal within 60 s after',
  messages: 60_000,
  run: async ({ messages, start }) => {
    const refusalsWanted = Math.min(1000, messages / 60)
    // So slow that the stream grows, so that there is something to refuse.
    const slow = { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '4' }
    const system = await start()
    const [worker] = await Promise.all([
      system.child('worker', slow),
      system.child('listener'),
      system.child('listener'),
    ])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    // What is not ours fills most of it: there is room for a part of the gifts, whatever the server itself needs.
    for (let part = 0; part < BALLAST_BYTES; part += 2 ** 20) await system.redis.append('ballast', 'x'.repeat(2 ** 20))
    // What the ballast came in is given back a moment later.
    await system.until('little beside the ballast', async () => (await usedBytes(system)) < BALLAST_BYTES * 1.2)
    const used = await usedBytes(system)
    const roomBytes = Math.min(MAX_BYTES - BALLAST_BYTES, (messages / 4) * BYTES_A_GIFT)
    await system.redis.config('SET', 'maxmemory', Math.min(MAX_BYTES, used + roomBytes))
    const publishing = system.publish(promotion)
    await system.until('refusals', async () => (await refusals(system)) >= refusalsWanted, 300_000)
    await publishing
    const refused = await refusals(system)
    // From now on there is none at all. Reading, acknowledging and deleting need none: the work goes on, also in a worker
    // that begins now.
    await system.redis.config('SET', 'maxmemory', BALLAST_BYTES)
    await system.kill(worker)
    await system.child('worker')
    const { SUCCESS: paidBefore } = await system.count(promotion)
    const workedOnAfterSeconds = await system.until('work goes on', async () => {
      return (await system.count(promotion)).SUCCESS > paidBefore + 100
    })
    const isOutOfMemory = await system.redis.set('probe', 'x').then(
      () => false,
      error => /^OOM/.test(error.message),
    )
    const refusedMeanwhile = (await refusals(system)) - refused
    say(`${refused} commands refused; 100 gifts paid meanwhile after ${workedOnAfterSeconds} s`)
    await system.redis.config('SET', 'maxmemory', '0')
    await system.redis.del('ballast')
    const probe = await system.plan(10, 'POINT')
    await system.run(probe)
    await system.publish(probe)
    const normalSeconds = await system.until(
      'a gift published now is paid',
      async () => (await system.count(probe)).SUCCESS === 10,
    )
    return {
      figures: { refused, refusedMeanwhile, workedOnAfterSeconds, normalSeconds },
      checks: {
        refusedEnough: refused >= refusalsWanted,
        outOfMemoryMeanwhile: isOutOfMemory,
        normalInTime: normalSeconds <= 60,
      },
    }
  },
}

async function usedBytes(system: ChaosSystem): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await system.redis.info('memory'))?.[1])
}

async function refusals(system: ChaosSystem): Promise<number> {
  const found = /errorstat_OOM:count=(\d+)/.exec(await system.redis.info('errorstats'))
  return Number(found?.[1] ?? 0)
}
