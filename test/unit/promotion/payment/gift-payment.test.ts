import { describe, expect, test } from '@jest/globals'
import { createProcessorHarness, ORIGIN, pendingRow } from '#test/support/processor-harness.ts'
import { collectSpans } from '#test/support/spans.ts'

const INSERTED = { kind: 'inserted', promotionStatus: 'IN_PROGRESS', enqueued: true } as const

describe('an entry that cannot be read', () => {
  const { processor, calls } = createProcessorHarness('VOUCHER', { streamEnabled: true })

  test('is a dead letter with its reason, and nobody is asked about it', async () => {
    expect(await processor.processStreamMessage('{"voucherTargetId":')).toEqual({
      kind: 'dead-letter',
      reason: expect.stringMatching(/^unreadable: not JSON/),
    })
    expect(calls).toEqual([])
  })

  test('that killed its processes moves no row', async () => {
    await processor.markPoison('{"voucherTargetId":', 6)
    expect(calls).toEqual([])
  })
})

describe('where the listener pays by itself', () => {
  const create = () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: false })
    harness.answer.insert = INSERTED
    return harness
  }

  test.each(['SUCCESS', 'FAILED', 'RETRYING', 'UNKNOWN'] as const)(
    'a row that is %s by the time of its payment is not paid again',
    async processStatus => {
      const harness = create()
      harness.rows.set('100', pendingRow({ processStatus }))
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('inserted')
      expect([harness.charges, harness.events]).toEqual([[], []])
    },
  )

  test('a row that is gone again, and a Money API that is not to be called, are to be tried again', async () => {
    const harness = create()
    const pay = () => harness.processor.processTopicMessage(harness.json(), ORIGIN)
    await expect(pay()).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND', canRetry: true })
    harness.rows.set('100', pendingRow())
    harness.answer.charge = { kind: 'blocked', reason: 'the breaker is open', posts: 0 }
    await expect(pay()).rejects.toMatchObject({ code: 'NOT_NOW', message: 'the breaker is open', canRetry: true })
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'PENDING', attempts: 0 })
  })
})

test('the call is not made when the promotion is paused while it waits for its turn', async () => {
  const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
  harness.rows.set('100', pendingRow())
  const answers: unknown[] = []
  harness.deps.moneyCampaignChargeApi.charge = async (_request, options) => {
    answers.push(await options?.mayCall?.())
    harness.answer.promotionStatus = 'PAUSED'
    harness.deps.promotionStatusCacheService.forget('1')
    answers.push(await options?.mayCall?.())
    return { kind: 'blocked', reason: 'not wanted any more', posts: 0 }
  }
  expect(await harness.processor.processStreamMessage(harness.json())).toMatchObject({ kind: 'retry-later' })
  expect(answers).toEqual([true, false])
})

describe('with tracing', () => {
  const take = collectSpans()

  test('a payment of the listener goes on with the trace of its message', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: false })
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await harness.processor.processTopicMessage(harness.json(), { ...ORIGIN, traceparent })
    const [span, ...others] = take()
    expect(span).toMatchObject({ name: 'gift payment', attributes: { 'promostream.target.id': '100' } })
    expect(span?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7')
    expect(others).toEqual([])
  })
})
