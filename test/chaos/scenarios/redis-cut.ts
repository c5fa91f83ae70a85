import { setTimeout as sleep } from 'node:timers/promises'
import { say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

/** Nobody takes over from anybody, and nothing is searched for: each worker finds by itself what is its own. */
const ALONE = { REDIS_STREAM_CLAIM_MIN_IDLE_MS: '3600000', SWEEP_AGE_MS: '3600000', SWEEP_INTERVAL_MS: '3600000' }

/** Every connection to Redis is cut in the middle of what it asks: replies are lost, what they handed out is not. */
export const redisCut: Scenario = {
  about: 'all connections to Redis cut again and again; no takeover, no search for lost entries',
  messages: 10_000,
  run: async ({ messages, random, start }) => {
    const system = await start({ env: { ...ALONE, REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '16' } })
    await system.child('listener')
    const promotion = await system.plan(messages)
    await system.run(promotion)
    await system.publish(promotion)
    await system.until('its rows', async () => (await system.rows(promotion)) >= messages)
    await Promise.all([system.child('worker'), system.child('worker')])
    const cuts = Math.max(20, Math.min(100, Math.round(messages / 100)))
    for (let cut = 1; cut <= cuts; cut++) {
      await sleep(random.between(100, 500))
      system.repeats += 2 * system.callsAtOnce
      await system.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      if (cut % 10 === 0) say(`cut ${cut}/${cuts}`)
    }
    const { SUCCESS } = await system.count(promotion)
    return { figures: { cuts, paidMeanwhile: SUCCESS }, checks: {} }
  },
}
