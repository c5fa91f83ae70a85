import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

/** Nothing is searched for within a run: what upkeep's nets would catch is lost for good. */
const NO_NETS = { SWEEP_AGE_MS: '3600000', SWEEP_INTERVAL_MS: '3600000' }
const SLOTS = 8
const BOUND = 400

/**
 * The path itself, without the nets that heal it: workers killed, sessions of PostgreSQL cut while rows move, more gifts
 * than the stream may hold, and a Money API that spoils a fifth of its answers.
 */
export const bare: Scenario = {
  about: 'without upkeep’s nets: a backlog over the bound, workers killed, PostgreSQL’s sessions cut, spoiled answers',
  messages: 3000,
  run: async ({ messages, random, start }) => {
    const env = {
      ...NO_NETS,
      REDIS_STREAM_MAX_LEN: String(BOUND),
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: String(SLOTS),
      REDIS_STREAM_MAX_DELIVERIES: '1000',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '6000',
    }
    const system = await start({ env, money: { latencyMs: 20, faultPercent: 20 } })
    await system.child('listener')
    const promotion = await system.plan(messages)
    await system.run(promotion)
    await system.publish(promotion)
    // From here on only workers are disturbed: a listener's duplicate would need the nets.
    await system.until('its rows', async () => (await rowsOf(system, promotion)) >= messages, 30_000)
    const watch = watchPending(system, promotion)
    const workers = [await system.child('worker'), await system.child('worker')]
    for (let fault = 1; fault <= 6; fault++) {
      await sleep(random.between(800, 1500))
      if (fault % 2 === 0) {
        const at = random.whole(0, 1)
        await system.kill(workers[at]!)
        workers[at] = await system.child('worker')
      } else {
        system.repeats += 2 * system.callsAtOnce
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`.execute(system.kysely)
      }
      say(`fault ${fault}/6`)
    }
    await system.drain()
    const mostPending = watch.stop()
    // Two that live and those that were killed, each with what it has acknowledged and the server does not know yet.
    return { figures: { mostPending }, checks: { noMoreThanSlots: mostPending <= 5 * 3 * SLOTS } }
  },
}

function rowsOf(system: ChaosSystem, promotion: DemoPromotion): Promise<number> {
  return system.rows(promotion).catch(() => 0)
}

function watchPending(system: ChaosSystem, promotion: DemoPromotion) {
  let most = 0
  const timer = setInterval(() => {
    system.leftOnStream(promotion).then(
      ({ pending }) => {
        most = Math.max(most, pending)
      },
      () => undefined,
    )
  }, 50)
  return {
    stop: () => {
      clearInterval(timer)
      return most
    },
  }
}
