import { expect, test } from '@jest/globals'
import type { Promotion } from '#database/promotions.ts'
import { PromotionReconciler, type ReconcilerDeps } from '#promotion/reconciler.ts'
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
