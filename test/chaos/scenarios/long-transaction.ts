import { sql } from 'kysely'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const SHARE = 0.8
const WARM_UP = 10_000

/** Gifts beside a transaction that somebody has forgotten: the same number is paid without it and with it. */
export const longTransaction: Scenario = {
  about: 'a transaction that stays open beside the work: at least 80 % of the rate without it',
  messages: 200_000,
  run: async ({ messages, start }) => {
    const system = await start({
      money: { latencyMs: 5 },
      // Enough slots that PostgreSQL, not the Money API, decides the rate.
      env: {
        REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '256',
        DATABASE_TIMEOUT_MS: '5000',
        REDIS_STREAM_CLAIM_MIN_IDLE_MS: '30000',
      },
    })
    const { kysely } = system
    await Promise.all((['listener', 'worker', 'worker'] as const).map(kind => system.child(kind)))
    await pay(system, Math.min(messages, WARM_UP))
    say(`warm; now ${messages} gifts without it`)
    const alone = await pay(system, messages)
    say(`${alone} gifts/s; now with an open transaction`)
    const beside = await kysely.connection().execute(async forgotten => {
      await sql`set idle_in_transaction_session_timeout = 0`.execute(forgotten)
      await sql`begin isolation level repeatable read`.execute(forgotten)
      await sql`select pg_current_xact_id()`.execute(forgotten)
      const result = await pay(system, messages)
      await sql`rollback`.execute(forgotten)
      return result
    })
    const share = Math.round((beside / alone) * 100) / 100
    return { figures: { alone, beside, share }, checks: { rateIsKept: share >= SHARE } }
  },
}

/** Publishes and pays so many gifts. @returns gifts a second, from the first message to the last state. */
async function pay(system: ChaosSystem, gifts: number): Promise<number> {
  const promotion = await system.plan(gifts)
  await system.run(promotion)
  const startedAt = performance.now()
  await system.publish(promotion)
  await system.drain([promotion])
  return Math.round(gifts / seconds(startedAt))
}
