import { request } from 'undici'
import { countStates } from '#local/demo/account.ts'
import type { Scenario } from '../scenario.ts'

/** 40 % of the Money API's answers are spoiled, in every way that it knows. */
export const moneyFaults: Scenario = {
  about:
    '40 % of the Money API’s attempts faulty: errors, resets before and after applying, time-outs, cut replies, 429',
  messages: 20_000,
  run: async ({ messages, start }) => {
    const system = await start({ money: { latencyMs: 20, faultPercent: 40 }, env: { RETRY_MAX_ATTEMPTS: '30' } })
    await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    await system.publish(promotion)
    await system.drain()
    const { FAILED, UNKNOWN } = await countStates(system.kysely, [promotion])
    const { body } = await request(`${system.env.MONEY_API_URL}/ledger/summary`)
    const { earlyRequests } = (await body.json()) as { earlyRequests: number }
    return {
      figures: { FAILED, UNKNOWN, earlyRequests },
      checks: { noUnheardAnswerIsFailed: FAILED === 0, noneBeforeRetryAfter: earlyRequests === 0 },
    }
  },
}

/** A Money API that charges whatever it is asked: without faults nobody asks twice. */
export const noDedup: Scenario = {
  about: 'a Money API without deduplication, no faults: each gift is asked for once',
  messages: 10_000,
  run: async ({ messages, start }) => {
    // A machine that is busy must not make a time-out of an answer.
    const system = await start({
      money: { latencyMs: 20, dedup: false },
      env: { MONEY_API_TIMEOUT_MS: '10000', REDIS_STREAM_CLAIM_MIN_IDLE_MS: '30000' },
    })
    await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    await system.publish(promotion)
    return { figures: {}, checks: {} }
  },
}
