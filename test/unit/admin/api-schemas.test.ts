import { expect, test } from '@jest/globals'
import { concurrencyBody, newPromotion } from '#admin/api-schemas.ts'

const hostile = { rawJSON: { toString: 1, valueOf: 1 } }

test.each(['totalCount', 'maxGiftCount', 'maxTotalAmount'])('an object as %s is refused, not thrown at', field => {
  expect(newPromotion.safeParse({ id: '1', type: 'POINT', [field]: hostile }).success).toBe(false)
})

test('an object as the slots is refused, not thrown at', () => {
  expect(concurrencyBody.safeParse({ consumersPerInstance: hostile }).success).toBe(false)
})
