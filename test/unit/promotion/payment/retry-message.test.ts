import { describe, expect, jest, test } from '@jest/globals'
import type { KafkaEvent } from '#kafka/event-provider.ts'
import { publishRetryMessage } from '#promotion/payment/retry-message.ts'
import { withSpan } from '#runtime/tracing.ts'
import { collectSpans } from '#test/support/spans.ts'

const ids = { promotionId: '1', promotionSummaryId: '2', voucherTargetId: '9007199254740993', partitionKey: 'k' }
const retry = { attempt: 1, lastError: 'HTTP_500: down' }

/** A topic that takes values of up to so many bytes. */
function topicOf(maxBytes: number) {
  const taken: KafkaEvent[] = []
  return {
    taken,
    publish: async (event: KafkaEvent) => {
      if (event.value.length > maxBytes)
        throw Object.assign(new Error('larger than the maximum'), { type: 'MESSAGE_TOO_LARGE' })
      taken.push(event)
    },
  }
}

test('what the topic takes is the original, and what became of it', async () => {
  const topic = topicOf(1000)
  await publishRetryMessage(topic, { topic: 't', json: '{"note":"x","big":12345678901234567890}', ids, ...retry })
  expect(topic.taken.map(({ topic: to, key }) => [to, key])).toEqual([['t', 'k']])
  expect(topic.taken[0]?.value).toContain('"big":12345678901234567890')
  expect(topic.taken[0]?.value).toContain('"note":"x"')
})

test('what our fields made too large goes without what nobody here reads', async () => {
  const topic = topicOf(300)
  const json = JSON.stringify({ ...ids, note: 'x'.repeat(170) })
  expect(json.length).toBeLessThan(300)
  await publishRetryMessage(topic, { topic: 't', json, ids, ...retry, retryAfterMs: 5 })
  const { notBefore, ...value } = JSON.parse(topic.taken[0]?.value ?? '')
  expect(value).toEqual({ promotionId: '1', promotionSummaryId: '2', voucherTargetId: '9007199254740993', ...retry })
  expect(notBefore).toBeGreaterThan(Date.now() - 60_000)
})

test('a gift that the Money API asked us to wait with says from when on, any other says nothing of it', async () => {
  jest.useFakeTimers({ now: 1_000_000 })
  try {
    const topic = topicOf(1000)
    await publishRetryMessage(topic, { topic: 't', json: '{}', ids, ...retry, retryAfterMs: 30_000 })
    await publishRetryMessage(topic, { topic: 't', json: '{}', ids, ...retry })
    const [asked, other] = topic.taken.map(({ value }) => JSON.parse(value) as object)
    expect(asked).toMatchObject({ notBefore: 1_030_000, ...retry })
    expect(other).not.toHaveProperty('notBefore')
    expect(topic.taken[0]).not.toHaveProperty('headers')
  } finally {
    jest.useRealTimers()
  }
})

test('what is refused for another reason is not sent again, though a smaller one would be taken', async () => {
  let sends = 0
  const publish = async () => {
    sends += 1
    if (sends === 1) throw Object.assign(new Error('no leader'), { type: 'LEADER_NOT_AVAILABLE' })
  }
  const sent = publishRetryMessage({ publish }, { topic: 't', json: '{}', ids, ...retry })
  await expect(sent).rejects.toThrow('no leader')
  expect(sends).toBe(1)
})

test('a topic that is away is told of, and an error of any length fits', async () => {
  const away = { publish: () => Promise.reject(new Error('away')) }
  await expect(publishRetryMessage(away, { topic: 't', json: '{}', ids, ...retry })).rejects.toThrow('away')
  const topic = topicOf(1500)
  await publishRetryMessage(topic, { topic: 't', json: '{}', ids, attempt: 1, lastError: 'x'.repeat(100_000) })
  expect(topic.taken).toHaveLength(1)
})

describe('with tracing', () => {
  const take = collectSpans()

  test('the message goes on with the trace of the payment', async () => {
    const topic = topicOf(1000)
    await withSpan('gift payment', { kind: 'consumer' }, () =>
      publishRetryMessage(topic, { topic: 't', json: '{}', ids, ...retry }),
    )
    const { traceId, spanId } = take()[0]!.spanContext()
    expect(topic.taken[0]?.headers).toEqual({ traceparent: `00-${traceId}-${spanId}-01` })
  })
})
