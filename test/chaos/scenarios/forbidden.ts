import { countStates } from '#local/demo/account.ts'
import { seconds } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const PERCENT = 0.2

/** The Money API refuses one gift in 500 for ever, with 403: the others do not wait for it. */
export const forbidden: Scenario = {
  about: 'one gift in 500 gets 403 for ever: it becomes UNKNOWN, the others are paid',
  messages: 10_000,
  run: async ({ messages, start }) => {
    const system = await start({
      money: { latencyMs: 20 },
      env: { RETRY_MAX_ATTEMPTS: '4', RETRY_BACKOFF_MAX_MS: '500' },
    })
    await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const rate = async () => {
      const promotion = await system.plan(messages / 2)
      await system.run(promotion)
      const startedAt = performance.now()
      await system.publish(promotion)
      await system.until(
        'nearly all paid',
        async () => (await system.count(promotion)).SUCCESS >= promotion.gifts * 0.98,
      )
      return { promotion, perSecond: Math.round(promotion.gifts / seconds(startedAt)) }
    }
    const alone = await rate()
    await system.control({ forbid: { percent: PERCENT } })
    const beside = await rate()
    await system.drain()
    const { UNKNOWN, FAILED } = await countStates(system.kysely, [beside.promotion])
    const blocked = system.logged('calls are blocked').length
    return {
      figures: { alone: alone.perSecond, beside: beside.perSecond, UNKNOWN, FAILED, blocked },
      checks: { someAreUnknown: UNKNOWN > 0, fewAreUnknown: UNKNOWN <= messages / 100, noneFailed: FAILED === 0 },
    }
  },
}
