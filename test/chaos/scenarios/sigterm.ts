import type { Child } from '#local/demo/children.ts'
import { say, seconds } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const MAX_STOP_SECONDS = 10

/** Workers and listeners are stopped in good order under load: exit code 0, in time, and no call is made twice. */
export const sigterm: Scenario = {
  about: 'SIGTERM under load: exit 0 within 10 s, nothing is done twice',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const system = await start({ env: { SHUTDOWN_TIMEOUT_MS: '8000' }, money: { latencyMs: 50 } })
    const children = new Map<Child, 'listener' | 'worker'>()
    for (const kind of ['listener', 'worker', 'worker'] as const) children.set(await system.child(kind), kind)
    const promotion = await system.plan(messages)
    await system.run(promotion)
    const publishing = system.publish(promotion)
    const wanted = Math.max(3, Math.min(100, Math.round(messages / 200)))
    const ends: unknown[] = []
    let slowest = 0
    for (let stop = 1; stop <= wanted; stop++) {
      const victim = [...children.keys()][random.whole(0, children.size - 1)] as Child
      const kind = children.get(victim) as 'listener' | 'worker'
      const startedAt = performance.now()
      await victim.stop()
      slowest = Math.max(slowest, seconds(startedAt))
      ends.push(await victim.ended)
      children.delete(victim)
      children.set(await system.child(kind), kind)
      say(`stopped ${stop}/${wanted}: ${victim.name}`)
    }
    await publishing
    return {
      figures: { stops: wanted, slowestStopSeconds: slowest },
      checks: { exitCodesAre0: ends.every(end => end === 0), stoppedInTime: slowest <= MAX_STOP_SECONDS },
    }
  },
}
