import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '#local/demo/children.ts'
import { say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

/** Workers and a listener are killed with SIGKILL at random while gifts are paid by a Money API that fails. */
export const kills: Scenario = {
  about: 'listeners and workers killed at random, 10 % of the Money API’s answers spoiled',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const system = await start({ money: { latencyMs: 50, faultPercent: 10 } })
    const children = new Map<Child, 'listener' | 'worker'>()
    for (const kind of ['listener', 'worker', 'worker', 'worker'] as const) children.set(await system.child(kind), kind)
    const promotions = await Promise.all([
      system.plan(Math.ceil(messages / 2)),
      system.plan(Math.floor(messages / 2), 'POINT'),
    ])
    await Promise.all(promotions.map(promotion => system.run(promotion)))
    const publishing = Promise.all(promotions.map(promotion => system.publish(promotion)))
    const wanted = Math.max(3, Math.min(100, Math.round(messages / 200)))
    for (let kill = 1; kill <= wanted; kill++) {
      await sleep(random.between(400, 1200))
      const victim = [...children.keys()][random.whole(0, children.size - 1)] as Child
      const kind = children.get(victim) as 'listener' | 'worker'
      await system.kill(victim)
      children.delete(victim)
      say(`kill ${kill}/${wanted}: ${victim.name}`)
      children.set(await system.child(kind), kind)
    }
    await publishing
    return { figures: {}, checks: {} }
  },
}
