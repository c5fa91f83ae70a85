import { expect, test } from '@jest/globals'
import { campaignVoucherPromotionRetryListener } from '#listeners/campaign-listeners.ts'
import type { RetryRequest } from '#promotion/payment/retry-jobs.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'

async function handle(value: string | Buffer, more: object = {}) {
  const added: RetryRequest[] = []
  const invalid: string[] = []
  let batches = 0
  const listener = campaignVoucherPromotionRetryListener({
    retryJobs: {
      add: async jobs => {
        batches += 1
        added.push(...jobs)
      },
    },
    invalidMessages: { report: async (_origin: object, reason: string) => void invalid.push(reason) } as never,
    retryer: createRetryer({ maxRetries: 0, initialDelayMs: 1, maxDelayMs: 1 }),
    logger: createLogger('test', 'silent'),
  })
  const message = {
    topic: 'retry',
    partition: 0,
    offset: '1',
    key: null,
    timestampMs: 0,
    value: Buffer.from(value),
    ...more,
  }
  await listener([message as never], new AbortController().signal)
  return { added, invalid, batches }
}

const gift = { promotionId: '9007199254740993', voucherTargetId: '9223372036854775807', partitionKey: 'k', memberId: 1 }

test('a retry message becomes a job with exact ids, its attempt, and the time before which nothing is to be sent', async () => {
  const { added } = await handle(JSON.stringify({ ...gift, attempt: 3, lastError: 'HTTP_429', notBefore: 1234 }))
  expect(added).toEqual([
    {
      data: { type: 'VOUCHER', promotionId: gift.promotionId, targetId: gift.voucherTargetId, notBefore: 1234 },
      attempts: 3,
    },
  ])
})

test('without these it is tried as after the first attempt, at any time', async () => {
  const { added } = await handle(JSON.stringify(gift))
  expect(added).toEqual([
    { data: { type: 'VOUCHER', promotionId: gift.promotionId, targetId: gift.voucherTargetId }, attempts: 1 },
  ])
})

test.each(['attempt', 'notBefore'])(
  'an object as its %s that converts to nothing does not stop the batch',
  async field => {
    for (const value of [{ toString: 1, valueOf: 1 }, { rawJSON: { toString: 1, valueOf: 1 } }]) {
      const { added } = await handle(JSON.stringify({ ...gift, [field]: value }))
      expect(added).toEqual([
        { data: { type: 'VOUCHER', promotionId: gift.promotionId, targetId: gift.voucherTargetId }, attempts: 1 },
      ])
    }
  },
)

test.each([
  ['no JSON', '{'],
  ['no target', JSON.stringify({ promotionId: 1 })],
  ['not UTF-8', Buffer.from([0xff, 0xfe])],
])('%s: the invalid topic, no job', async (_name, value) => {
  const { added, invalid, batches } = await handle(value)
  expect([added, invalid, batches]).toEqual([[], [expect.any(String)], 0])
})

test('an attempt lower than one counts as the first', async () => {
  const { added } = await handle(JSON.stringify({ ...gift, attempt: 0 }))
  expect(added[0]?.attempts).toBe(1)
})

test('the trace of a message goes with its job', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const { added } = await handle(JSON.stringify(gift), { traceparent })
  expect(added[0]?.data).toMatchObject({ traceparent })
})
