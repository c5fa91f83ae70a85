import { expect, test } from '@jest/globals'
import { createProcessors, createRetryProcessors } from '#promotion/payment/processors.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { createProcessorHarness, pendingRow } from '#test/support/processor-harness.ts'

test.each(PROMOTION_TYPES)('the processors of %s are of that type, and charge it', async type => {
  const harness = createProcessorHarness(type, { streamEnabled: true })
  const processor = createProcessors(harness.deps)[type]
  const retryProcessor = createRetryProcessors(harness.deps)[type]
  expect([processor.getPromotionTypeEnum(), retryProcessor.getPromotionTypeEnum()]).toEqual([type, type])
  harness.rows.set('100', pendingRow())
  await processor.processStreamMessage(harness.json())
  harness.rows.set('100', pendingRow({ processStatus: 'RETRYING', attempts: 1 }))
  await retryProcessor.process('100')
  expect(harness.charges.map(charge => charge.type)).toEqual([type, type])
})
