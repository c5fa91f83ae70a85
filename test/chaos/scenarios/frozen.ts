import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '#local/demo/children.ts'
import { say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const MIN_IDLE_MS = 4000

/** A worker stands still until its entries are others', and comes back in the middle of what it did. */
export const frozen: Scenario = {
  about: 'a worker frozen for three times min-idle comes back, again and again',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const system = await start({
      env: { REDIS_STREAM_CLAIM_MIN_IDLE_MS: String(MIN_IDLE_MS), REDIS_STREAM_MAX_DELIVERIES: '1000' },
      money: { latencyMs: 100 },
    })
    const [, ...workers] = await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    const publishing = system.publish(promotion)
    await system.until('work under way', async () => (await system.count(promotion)).SUCCESS > 50)
    const freezes = Math.max(2, Math.min(50, Math.round(messages / 400)))
    for (let freeze = 1; freeze <= freezes; freeze++) {
      const { pid } = workers[random.whole(0, workers.length - 1)] as Child
      process.kill(pid, 'SIGSTOP')
      // What it had in flight is done by others: as after a kill.
      system.repeats += system.callsAtOnce
      await sleep(3 * MIN_IDLE_MS)
      process.kill(pid, 'SIGCONT')
      await sleep(random.between(200, 1000))
      say(`frozen ${freeze}/${freezes}`)
    }
    await publishing
    return { figures: { freezes }, checks: {} }
  },
}
