import { GIFT_TYPES } from '#queues/gift-types.ts'
import { topic } from './listener.ts'
import type { FaultKind } from './plan.ts'
import type { World } from './world.ts'

/** After these an entry may be gone that its row needs: upkeep puts it back. Nothing else may lose one. */
const LOSES_ENTRIES: ReadonlySet<FaultKind> = new Set([
  'lost-second',
  'group-gone',
  'crash-listener',
  'stop',
  'failover',
  'redelivery',
  // An insert that was committed and not heard of is a duplicate the next time.
  'database-error',
])
/** A handler that waits, and a message that comes again, are no reason to call twice; spoilt answers count for themselves. */
const CAUSES_NO_REPEAT: ReadonlySet<FaultKind> = new Set([
  'slow-disk',
  'database-error',
  'pause',
  'redelivery',
  'money-down',
  'money-refuses',
])

/** What must hold when a world has come to rest; each violation names its invariant. */
export function judge(world: World): string[] {
  return [...new Set(world.rows.wrong), ...accounts(world), ...payments(world), ...leavings(world), ...requests(world)]
}

/** I1: each message is a row, or was skipped because its promotion was stopped. */
function accounts({ rows, plan }: World): string[] {
  const targets = Array.from({ length: plan.gifts }, (_, offset) => String(offset + 1))
  const skipped = new Set(rows.skipped.map(({ targetId }) => targetId))
  const lost = targets.filter(targetId => !rows.rows.has(targetId) && !skipped.has(targetId))
  return lost.map(targetId => `I1: gift ${targetId} is lost`)
}

/** I2 and I3: one charge for each SUCCESS, none for each FAILED, no other. */
function payments(world: World): string[] {
  const { rows, money } = world
  const wrong: string[] = []
  const byTarget = Map.groupBy(money.charges, ({ targetId }) => targetId)
  for (const [targetId, charges] of byTarget) {
    if (charges.length > 1) wrong.push(`I2: gift ${targetId} is charged ${charges.length} times`)
  }
  for (const [targetId, { processStatus, amount }] of rows.rows) {
    const [charge] = byTarget.get(targetId) ?? []
    if (processStatus === 'SUCCESS' && charge?.amount !== amount) wrong.push(`I3: gift ${targetId} is SUCCESS, unpaid`)
    if (processStatus === 'FAILED' && charge !== undefined) wrong.push(`I3: gift ${targetId} is FAILED, and charged`)
  }
  return [...wrong, ...givenUp(world)]
}

/** What was given up although nothing was wrong with it. */
function givenUp({ rows, plan }: World): string[] {
  return [...rows.rows.values()].flatMap(({ targetId, processStatus, errorCode }) => {
    const isPoison = processStatus === 'UNKNOWN' && errorCode === 'POISON'
    if (targetId === plan.killer) return isPoison ? [] : [`poison: gift ${targetId} kills, and is ${processStatus}`]
    if (isPoison) return [`poison: gift ${targetId} is healthy`]
    if (processStatus !== 'FAILED' || plan.refusedTargets.has(targetId)) return []
    return [`I3: gift ${targetId} is healthy, and FAILED`]
  })
}

/** Is nothing left to be done? Asked many times. */
export function isDrained(world: World): boolean {
  const { rows, plan } = world
  if (topic.committedOf(world) < plan.gifts || rows.rows.size + rows.skipped.length < plan.gifts) return false
  for (const { targetId, processStatus } of rows.rows.values()) {
    const isEnded = processStatus === 'SUCCESS' || processStatus === 'FAILED'
    if (!isEnded && !(targetId === plan.killer && processStatus === 'UNKNOWN')) return false
  }
  for (const { status } of rows.promotions.values()) if (status !== 'IN_PROGRESS') return false
  return world.promotionIds.every(id => lengthOf(world, id) === 0 && pendingOf(world, id) === 0)
}

export function lengthOf({ redis }: World, promotionId: string): number {
  const answer = redis.execute(['XLEN', GIFT_TYPES.VOUCHER.streamKey(promotionId)])
  return 'error' in answer ? -1 : (answer.reply as number)
}

function pendingOf({ redis }: World, promotionId: string): number {
  const [key, group] = [GIFT_TYPES.VOUCHER.streamKey(promotionId), GIFT_TYPES.VOUCHER.groupName(promotionId)]
  const answer = redis.execute(['XPENDING', key, group])
  return 'error' in answer ? 0 : (answer.reply as [number])[0]
}

/** I5 and I7: nothing is left, nothing healthy was given up. */
function leavings(world: World): string[] {
  const { faults, upkeep } = world
  const wrong: string[] = []
  for (const id of world.promotionIds) {
    const [length, pending] = [lengthOf(world, id), pendingOf(world, id)]
    if (length + pending > 0)
      wrong.push(`I5: ${length} entries and ${pending} pending marks of promotion ${id} are left`)
    const key = `${GIFT_TYPES.VOUCHER.streamKey(id)}:dead-letter`
    const answer = world.redis.execute(['XRANGE', key, '-', '+'])
    const letters = 'error' in answer ? [] : (answer.reply as unknown[])
    const healthy = letters.filter(letter => !isOfGift(letter, world.plan.killer))
    if (healthy.length > 0) wrong.push(`poison: ${healthy.length} healthy entries are dead letters`)
  }
  const open = [...world.rows.rows.values()].filter(
    row => row.targetId !== world.plan.killer && !['SUCCESS', 'FAILED'].includes(row.processStatus),
  )
  for (const { targetId, processStatus } of open) wrong.push(`I7: gift ${targetId} is still ${processStatus}`)
  const mayLoseEntries = faults.struck.some(kind => LOSES_ENTRIES.has(kind))
  if (upkeep.requeued > 0 && !mayLoseEntries)
    wrong.push(`I5: ${upkeep.requeued} gifts lost their entry without a fault`)
  return wrong
}

function isOfGift(letter: unknown, targetId: string | undefined): boolean {
  return targetId !== undefined && JSON.stringify(letter).includes(`voucherTargetId\\":\\"${targetId}\\"`)
}

/** I6: what was asked more often than once has a fault to blame. */
function requests({ money, rows, plan, faults, retries, upkeep, unwrittenPosts }: World): string[] {
  // A process that dies may have a call under way in each slot, and a retry beside them.
  const struck = faults.struck.filter(kind => !CAUSES_NO_REPEAT.has(kind)).length
  const disturbing = struck + faults.killed + rows.skipped.length
  const allowed =
    rows.rows.size +
    money.spoilt +
    unwrittenPosts +
    retries.repeated +
    upkeep.requeued +
    disturbing * (plan.maxInFlight + 1) * plan.workers
  if (money.posts <= allowed) return []
  return [`I6: ${money.posts} POSTs for ${rows.rows.size} gifts, at most ${allowed} can be explained`]
}
