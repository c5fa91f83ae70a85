import { expect, test } from '@jest/globals'
import { CampaignPromotionVoucherRetryProcessor } from '#promotion/payment/processors.ts'
import { createProcessorHarness, pendingRow } from '#test/support/processor-harness.ts'

function create() {
  const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
  harness.rows.set('100', pendingRow({ processStatus: 'RETRYING', attempts: 1 }))
  return { harness, processor: new CampaignPromotionVoucherRetryProcessor(harness.deps) }
}

test.each(['READY', 'PAUSED', 'STOPPED'] as const)(
  'a %s promotion: no call, and no job that comes round',
  async status => {
    const { harness, processor } = create()
    harness.answer.promotionStatus = status
    expect(await processor.process('100')).toEqual({ kind: 'not-running' })
    expect(harness.charges).toEqual([])
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'RETRYING', attempts: 1 })
  },
)

test.each(['IN_PROGRESS', 'COMPLETED'] as const)('a %s promotion: one more attempt', async status => {
  const { harness, processor } = create()
  harness.answer.promotionStatus = status
  expect(await processor.process('100')).toEqual({ kind: 'done' })
  expect(harness.rows.get('100')).toMatchObject({ processStatus: 'SUCCESS', attempts: 2 })
})

test('a promotion that is paused while the call waits for its turn is not called', async () => {
  const { harness, processor } = create()
  harness.deps.moneyCampaignChargeApi.charge = async (_request, options) => {
    harness.deps.promotionStatusCacheService.status = async () => 'PAUSED'
    expect(await options?.mayCall?.()).toBe(false)
    return { kind: 'blocked', reason: 'not wanted any more', posts: 0 }
  }
  expect(await processor.process('100')).toMatchObject({ kind: 'not-now' })
  expect(harness.rows.get('100')).toMatchObject({ processStatus: 'RETRYING', attempts: 1 })
})

test.each(['SUCCESS', 'FAILED'] as const)('a gift that is %s: the job is done, without a call', async processStatus => {
  const { harness, processor } = create()
  harness.rows.set('100', pendingRow({ processStatus, attempts: 1 }))
  expect(await processor.process('100')).toEqual({ kind: 'done' })
  expect(harness.charges).toEqual([])
  expect(harness.rows.get('100')).toMatchObject({ processStatus, attempts: 1 })
})

test('a gift that the Money API refuses is FAILED, and its job is done', async () => {
  const { harness, processor } = create()
  harness.answer.charge = { kind: 'failed', code: 'HTTP_422', message: 'no such member', posts: 1 }
  expect(await processor.process('100')).toEqual({ kind: 'done' })
  expect(harness.calls).toEqual(['find', 'charge', 'FAILED'])
  expect(harness.rows.get('100')).toMatchObject({ processStatus: 'FAILED', attempts: 2 })
})

test('a gift without a row: the job is a person’s, without a call', async () => {
  const { harness, processor } = create()
  harness.rows.clear()
  expect(await processor.process('100')).toEqual({ kind: 'exhausted', reason: 'result-not-found' })
  expect(harness.charges).toEqual([])
})

test.each([
  ['the last of its attempts', 7, false, { kind: 'exhausted', reason: 'HTTP_302' }, 'UNKNOWN'],
  // Its job would end with its own count: what is no attempt keeps it.
  ['the last of its attempts, in an outage', 7, true, { kind: 'not-now', reason: 'HTTP_302' }, 'RETRYING'],
  ['not the last, in an outage', 1, true, { kind: 'later', reason: 'HTTP_302' }, 'RETRYING'],
] as const)('no usable answer to %s', async (_name, attempts, isOutage, outcome, processStatus) => {
  const { harness, processor } = create()
  harness.rows.set('100', pendingRow({ processStatus: 'RETRYING', attempts }))
  harness.answer.charge = { kind: 'unsettled', code: 'HTTP_302', message: '', posts: 1, isOutage }
  expect(await processor.process('100')).toMatchObject(outcome)
  expect(harness.rows.get('100')).toMatchObject({ processStatus, attempts: attempts + 1 })
})

test.each([
  ['younger than 90 % of what the Money API remembers', 0.89, false, { lookFirst: false, isYoung: true }],
  ['older than that: it is asked first', 0.91, false, { lookFirst: true, isYoung: false }],
  ['young, but everybody is to be asked about first', 0.1, true, { lookFirst: true, isYoung: true }],
])('a gift that is %s', async (_name, age, askFirst, expected) => {
  const { harness, processor } = create()
  const createdAtMs = Date.now() - age * harness.deps.settings.keyTtlMs
  harness.rows.set('100', pendingRow({ processStatus: 'RETRYING', attempts: 1, createdAtMs, askFirst }))
  const options: object[] = []
  harness.deps.moneyCampaignChargeApi.charge = async (_request, how = {}) => {
    options.push(how)
    return { kind: 'charged', transactionKey: 'tx', posts: 1 }
  }
  await processor.process('100')
  expect(options).toEqual([expect.objectContaining(expected)])
})
