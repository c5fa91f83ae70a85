import { expect, test } from '@jest/globals'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { DroppedRetries } from '#promotion/upkeep/dropped-retries.ts'
import { createLogger } from '#runtime/logger.ts'

const always = () => true

function create() {
  const statuses = new Map<string, PromotionStatus>()
  const revived: string[] = []
  const world: { onRevive(): void } = { onRevive: () => undefined }
  const dropped = new DroppedRetries({
    promotions: { find: async id => (statuses.has(id) ? ({ id, status: statuses.get(id) } as never) : undefined) },
    revive: async ({ id }) => {
      revived.push(id)
      world.onRevive()
      return 1
    },
    logger: createLogger('test', 'silent'),
  })
  return { dropped, statuses, revived, world }
}

test('a promotion gets its jobs back once, when it runs again, and not while it is paused or stopped', async () => {
  const { dropped, statuses, revived } = create()
  for (const id of ['1', '2', '1']) dropped.add(id)
  statuses.set('1', 'PAUSED').set('2', 'STOPPED')
  await dropped.revive(always)
  expect(revived).toEqual([])
  statuses.set('1', 'IN_PROGRESS')
  await dropped.revive(always)
  await dropped.revive(always)
  expect(revived).toEqual(['1'])
})

test.each(['COMPLETED', undefined] as const)('one that is %s meanwhile is forgotten', async status => {
  const { dropped, statuses, revived } = create()
  dropped.add('1')
  if (status !== undefined) statuses.set('1', status)
  await dropped.revive(always)
  statuses.set('1', 'IN_PROGRESS')
  await dropped.revive(always)
  expect(revived).toEqual([])
})

test('a search that fails is made again; what is dropped during one is found in the next', async () => {
  const { dropped, statuses, revived, world } = create()
  statuses.set('1', 'IN_PROGRESS')
  dropped.add('1')
  world.onRevive = () => {
    throw new Error('Redis is away')
  }
  await dropped.revive(always)
  world.onRevive = () => dropped.add('1')
  await dropped.revive(always)
  world.onRevive = () => undefined
  await dropped.revive(always)
  await dropped.revive(always)
  expect(revived).toEqual(['1', '1', '1'])
})
