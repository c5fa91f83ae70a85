import { expect, test } from '@jest/globals'
import { PromotionCalls } from '#promotion/consumers/promotion-calls.ts'

test('a promotion has the POSTs of its own, the process all calls', () => {
  const calls = new PromotionCalls()
  calls.add('POST', 'charged', 0.1, undefined, '1')
  calls.add('POST', 'unsettled', 0.1, 'HTTP_500', '2')
  calls.add('GET', 'no-charge', 0.1)
  expect(calls.summary().byMeaning).toEqual({ charged: 1, unsettled: 1, 'no-charge': 1 })
  expect(calls.summaryOf('1')).toMatchObject({ byMeaning: { charged: 1 }, failedShare: 0, lastError: null })
  expect(calls.summaryOf('2')).toMatchObject({ failedShare: 1, lastError: 'HTTP_500' })
  expect(calls.summaryOf('3')).toBeUndefined()
})
