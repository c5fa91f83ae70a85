import type { DemoPromotion } from '#local/demo/gifts.ts'
import type { CodedError } from '#runtime/errors.ts'
import { type ChaosSystem, say } from '../../support/chaos.ts'
import { CRASH_POINTS, type CrashPoint } from '../build/crash-points.ts'
import { nextGroup } from '../next-group.ts'
import type { Scenario } from '../scenario.ts'

const LISTENER_POINTS = new Set<CrashPoint>(['after-poll', 'after-insert', 'after-xadd', 'after-commit'])
/** Passed seldom: the first time has to be the last. */
const RARE_POINTS = new Set<CrashPoint>(['after-xgroup-create', 'refill-after-xadd', 'after-commit', 'after-poll'])
const GIFTS_A_KILL = 40
const TRIES = 3
/** One that was armed and never came by, in ms. */
const NOT_MET_MS = 40_000

/** A process is killed at each of the named steps, again and again, while the others work. */
export const crashPoints: Scenario = {
  about: 'killed at each of twelve steps between poll and ack, 20 times each',
  messages: 12 * 20 * GIFTS_A_KILL,
  run: async ({ messages, random, start }) => {
    // The kills are not the gifts' fault.
    const env = { REDIS_STREAM_MAX_DELIVERIES: '1000' }
    const system = await start({ env, money: { latencyMs: 50, faultPercent: 15 } })
    const points = Object.keys(CRASH_POINTS) as CrashPoint[]
    const each = Math.max(1, Math.round(messages / GIFTS_A_KILL / points.length))
    const met: Record<string, number> = {}
    let group = system.groupId
    for (const point of points) {
      met[point] = 0
      const isListener = LISTENER_POINTS.has(point)
      const helper = await system.child(isListener ? 'worker' : 'listener', { KAFKA_GROUP_ID: group })
      for (let tries = 0; met[point] < each && tries < each * TRIES; tries++) {
        const nth = RARE_POINTS.has(point) ? 1 : random.whole(1, GIFTS_A_KILL / 4)
        const env = { PROMOSTREAM_CRASH_AT: `${point}:${nth}`, KAFKA_GROUP_ID: group }
        if (await isKilled(system, isListener, env, point, random.chance(0.5))) met[point] += 1
        if (!isListener) continue
        const next = `crash-${system.planned.length}`
        group = await nextGroup(system, group, next)
      }
      await helper.stop()
      say(`${point}: ${met[point]}/${each}`)
    }
    system.groupId = group
    await Promise.all([
      system.child('listener', { KAFKA_GROUP_ID: group }),
      system.child('worker'),
      system.child('worker'),
    ])
    const isMet = Object.values(met).every(count => count === each)
    return { figures: { met }, checks: { everyPointWasMet: isMet } }
  },
}

/** Starts an armed process beside gifts that make it come by; false when it never did. */
async function isKilled(
  system: ChaosSystem,
  isListener: boolean,
  env: Record<string, string>,
  point: CrashPoint,
  isPoint: boolean,
): Promise<boolean> {
  const promotion = await system.plan(GIFTS_A_KILL, isPoint ? 'POINT' : 'VOUCHER')
  const waits = point === 'refill-after-xadd'
  // What is published before its promotion starts is refill's.
  if (waits) await published(system, promotion)
  else await system.run(promotion)
  const publishing = waits ? Promise.resolve() : system.publish(promotion)
  const kind = isListener ? 'listener' : 'worker'
  const starting = system.child(kind, env, `../chaos/build/${kind}.ts`)
  const wasKilledAtOnce = await starting.then(
    () => false,
    (error: CodedError) => {
      if (error.code === 'CHILD_ENDED') return true
      throw error
    },
  )
  if (waits) await system.run(promotion)
  await publishing
  let end: unknown = 'SIGKILL'
  if (!wasKilledAtOnce) {
    const child = await starting
    const late = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => late.resolve('late'), NOT_MET_MS)
    end = await Promise.race([child.ended, late.promise])
    clearTimeout(timer)
    if (end === 'late') await system.kill(child)
  }
  if (end !== 'SIGKILL') return false
  // Of what it had leased, more than its own gifts waits for min-idle with those that were killed before.
  system.struck(2 * GIFTS_A_KILL)
  system.killsInFlight += 1
  return true
}

async function published(system: ChaosSystem, promotion: DemoPromotion): Promise<void> {
  await system.publish(promotion)
  await system.until('its rows', async () => (await system.rows(promotion)) === promotion.gifts)
}
