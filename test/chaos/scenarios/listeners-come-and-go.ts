import { say } from '../../support/chaos.ts'
import { readRequests } from '../ledger.ts'
import type { Scenario } from '../scenario.ts'

const MAX_CALLS_AGAIN = 50

/**
 * Their starts take the processor, and answers lie unread in the worker's sockets. What has arrived is no time-out: hardly
 * a call is made again, and the breaker stays closed.
 */
export const listenersComeAndGo: Scenario = {
  about: 'listeners 1 ↔ 3 under load, beside a Money API that is well',
  messages: 24_000,
  repeats: MAX_CALLS_AGAIN,
  run: async ({ messages, start }) => {
    const system = await start({ money: { latencyMs: 20 }, env: { MONEY_API_TIMEOUT_MS: '1000' } })
    await Promise.all((['listener', 'worker'] as const).map(kind => system.child(kind)))
    const promotion = await system.plan(messages)
    await system.run(promotion)
    let [rounds, isPublished] = [0, false]
    const publishing = system.publish(promotion).finally(() => {
      isPublished = true
    })
    const isDone = async () => (await system.promotions.countByStatus(promotion)).SUCCESS === messages
    while (!isPublished || !(await isDone())) {
      const listeners = await Promise.all([system.child('listener'), system.child('listener')])
      await Promise.all(listeners.map(listener => listener.stop()))
      say(`round ${++rounds}`)
    }
    await publishing
    const { posts, gets, keys } = await readRequests(system.env.MONEY_API_URL!)
    const callsAgain = posts + gets - keys
    const breakerOpened = system.logged('gives no usable answer').length
    return {
      figures: { rounds, callsAgain, breakerOpened },
      checks: { hardlyAnyCallAgain: callsAgain <= MAX_CALLS_AGAIN, breakerNeverOpen: breakerOpened === 0 },
    }
  },
}
