import { isDrained, judge } from './judge.ts'
import type { FaultKind, Plan } from './plan.ts'
import { useScheduler } from './virtual-time.ts'
import { type StoryLine, World } from './world.ts'

export interface Verdict {
  plan: Plan
  violations: string[]
  /** Virtual ms that it took, and what happened in them. */
  tookMs: number
  happened: number
  steps: number
  /** The faults that struck. */
  struck: FaultKind[]
  posts: number
  story: StoryLine[]
}

const CLOSE_MS = 20_000
const LOOK_EVERY = 16
/** More happenings than any world of this size needs: something asks again and again without a pause. */
const MOST_HAPPENINGS = 100_000

let unhandled: string[] = []
process.on('unhandledRejection', error => unhandled.push(`unhandled rejection: ${error}`))

/** Lives one world from its beginning to its judgement. */
export async function runWorld(plan: Plan, isTelling = false): Promise<Verdict> {
  unhandled = []
  const world = new World(plan, isTelling)
  const { scheduler } = world
  useScheduler(scheduler)
  try {
    world.start()
    let [looks, isOver] = [0, false]
    await scheduler.run(() => {
      if (++looks % LOOK_EVERY !== 0) return isOver
      isOver = isDrained(world) || scheduler.nowMs > world.faults.overAtMs + plan.drainMs
      if (scheduler.happened > MOST_HAPPENINGS) {
        isOver = true
        world.rows.wrong.push('busy: it goes round without a pause')
      }
      return isOver
    })
    const tookMs = scheduler.nowMs
    const violations = judge(world)
    if (violations.length === 0) violations.push(...(await end(world)))
    violations.push(...unhandled)
    const { happened } = scheduler
    return {
      plan,
      violations: [...new Set(violations)],
      tookMs,
      happened,
      steps: world.steps,
      struck: world.faults.struck,
      posts: world.money.posts,
      story: world.story ?? [],
    }
  } finally {
    useScheduler(undefined)
  }
}

/** The promotions are finished, then every process is told to stop: both must end. */
async function end(world: World): Promise<string[]> {
  const { scheduler, rows } = world
  const before = rows.wrong.length
  world.isEnding = true
  for (const id of world.promotionIds) rows.setStatus(id, 'COMPLETED')
  for (const worker of world.workers) worker.stop()
  const endMs = Math.max(scheduler.nowMs, ...world.workers.map(({ process }) => process.frozenUntilMs)) + CLOSE_MS
  await scheduler.run(
    () =>
      world.workers.every(({ process }) => process.isDead) ||
      scheduler.nowMs > endMs ||
      scheduler.happened > 2 * MOST_HAPPENINGS,
  )
  const stuck = world.workers.filter(({ process }) => !process.isDead)
  return [...rows.wrong.slice(before), ...stuck.map(({ process: { name } }) => `close: ${name} does not end`)]
}
