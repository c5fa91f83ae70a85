import { expect, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { PromotionReconciler, type ReconcilerDeps } from '#promotion/consumers/follow-status.ts'
import { createLogger } from '#runtime/logger.ts'

test('a promotion whose stop takes long does not keep the others from following their status', async () => {
  const stopping: string[] = []
  const started: string[] = []
  const active = [{ id: '2', status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' }] as Promotion[]
  const reconciler = new PromotionReconciler({
    promotions: { listActive: async () => active },
    registry: { promotionIds: ['1'] },
    manager: {
      startConsumers: async (id: string) => void started.push(id),
      stopConsumers: (id: string) => {
        stopping.push(id)
        return new Promise(() => undefined)
      },
    },
    logger: createLogger('test', 'silent'),
  } as unknown as ReconcilerDeps)
  await reconciler.reconcile()
  await reconciler.reconcile()
  expect(stopping).toEqual(['1', '1'])
  expect(started).toEqual(['2', '2'])
})

test('a promotion on a shard that is away keeps the others neither from following their status nor from their rows', async () => {
  const active = ['1', '2', '3', '4', '5', '6'].map(id => ({ id, status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' }))
  const never = new Promise<never>(() => undefined)
  const isAway = (id: string) => id !== '6'
  const followed: string[] = []
  const looked: string[] = []
  const reconciler = new PromotionReconciler({
    promotions: { listActive: async () => active as Promotion[] },
    registry: { promotionIds: [] },
    manager: { startConsumers: (id: string) => (id === '1' ? never : void followed.push(id)) },
    producer: {
      room: (id: string) => {
        looked.push(id)
        return isAway(id) ? never : Promise.reject(new Error('looked at'))
      },
    },
    streams: { POINT: { streamKey: (id: string) => id } },
    kysely: { transaction: () => ({ execute: async () => ({ kind: 'busy' }) }) },
    logger: createLogger('test', 'silent'),
  } as unknown as ReconcilerDeps)
  await reconciler.reconcile()
  await reconciler.reconcile()
  expect(followed.filter(id => id === '6')).toHaveLength(2)
  await reconciler.refill()
  await reconciler.refill()
  // Who owes an answer is not asked again.
  expect(looked.filter(isAway).sort()).toEqual(['2', '3', '4', '5'])
  expect(looked.filter(id => !isAway(id))).toHaveLength(2)
})
