import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '#local/demo/children.ts'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

/** So few slots that a kill's share of the gifts is under way for some time. */
const SLOTS = '8'
const KINDS = ['listener', 'worker', 'worker', 'worker'] as const
/** Published at once. */
const CHUNK = 25
/** A kill with nothing in flight is no kill. */
const MIN_SHARE_IN_FLIGHT = 0.9

/** Workers and a listener are killed with SIGKILL at random while gifts are paid by a Money API that fails. */
export const kills: Scenario = {
  about: 'listeners and workers killed at random, 10 % of the Money API’s answers spoiled',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const env = { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: SLOTS }
    const system = await start({ env, money: { latencyMs: 50, faultPercent: 10 } })
    const alive = new Map<Child, 'listener' | 'worker'>()
    const begin = async (kind: 'listener' | 'worker') => void alive.set(await system.child(kind), kind)
    await Promise.all(KINDS.map(begin))
    const promotions = await Promise.all([
      system.plan(Math.ceil(messages / 2)),
      system.plan(Math.floor(messages / 2), 'POINT'),
    ])
    await Promise.all(promotions.map(promotion => system.run(promotion)))
    const wanted = Math.max(3, Math.min(100, Math.round(messages / 200)))
    let kill = 0
    // Each kill has its share of the gifts before it.
    const mayBegin = async (promotion: DemoPromotion, begun: number) => {
      while (begun > (promotion.gifts * kill) / wanted) await sleep(20)
    }
    const publishing = Promise.all(
      promotions.map(promotion => system.publish(promotion, begun => mayBegin(promotion, begun), CHUNK)),
    )
    let beginning: Promise<void> = Promise.resolve()
    while (kill < wanted) {
      kill += 1
      await system.until('work under way', () => stateOf(system, promotions), 120_000, 10)
      // The last share is quickly paid, when nobody is away.
      if ((await stateOf(system, promotions)) === 'done') break
      await sleep(random.between(0, 100))
      const victim = [...alive.keys()][random.whole(0, alive.size - 1)] as Child
      const kind = alive.get(victim) as 'listener' | 'worker'
      await system.kill(victim)
      alive.delete(victim)
      say(`kill ${kill}/${wanted}: ${victim.name}`)
      // The next one is killed while this one's successor starts.
      await beginning
      beginning = begin(kind)
      // A listener that is away leaves nobody anything to do.
      if (kind === 'listener') await beginning
    }
    await Promise.all([publishing, beginning])
    const share = system.killsInFlight / system.kills
    return { figures: {}, checks: { killedInFlight: share >= MIN_SHARE_IN_FLIGHT } }
  },
}

/** False while there is nothing to do yet, or only to wait for. */
async function stateOf(
  system: ChaosSystem,
  promotions: readonly DemoPromotion[],
): Promise<'under-way' | 'done' | false> {
  const counts = await Promise.all(promotions.map(promotion => system.count(promotion)))
  if (counts.some(({ PENDING }) => PENDING > 0)) return 'under-way'
  const isDone = counts.every(
    ({ SUCCESS, FAILED, UNKNOWN }, index) => SUCCESS + FAILED + UNKNOWN === promotions[index]?.gifts,
  )
  return isDone && 'done'
}
