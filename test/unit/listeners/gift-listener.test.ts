import { describe, expect, test } from '@jest/globals'
import { type GiftListenerDeps, giftBatchHandler } from '#listeners/gift-listener.ts'
import type { TakenMessage } from '#promotion/intake/gift-intake.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { collectSpans } from '#test/support/spans.ts'

const message = (offset: number, value: Buffer | null) =>
  ({ topic: 't', partition: 0, offset: String(offset), key: null, value, headers: {} }) as never

/** A listener that keeps what it was told. */
function listenerOf(reportFails = 0) {
  const origins: object[] = []
  const told = { taken: [] as string[], invalid: [] as [string, string][], settled: [] as unknown[], progress: 0 }
  let failures = reportFails
  const deps = {
    processor: {
      processTopicMessages: async (messages: readonly TakenMessage[], _doStep: unknown, onProgress: () => void) => {
        for (const { json, origin } of messages) {
          told.taken.push(json)
          origins.push(origin)
        }
        onProgress()
        return messages.map(() => 'inserted' as const)
      },
    },
    invalidMessages: {
      report: async ({ offset }: { offset: string }, reason: string) => {
        if (failures-- > 0) throw new Error('Kafka is away')
        told.invalid.push([offset, reason])
      },
    },
    conservation: { settled: (...args: unknown[]) => void told.settled.push(args) },
    retryer: createRetryer({ maxRetries: 4, initialDelayMs: 1, maxDelayMs: 2 }),
    logger: createLogger('test', 'silent'),
    onProgress: () => void told.progress++,
  } as unknown as GiftListenerDeps
  return { told, origins, handle: giftBatchHandler('VOUCHER', deps) }
}

const batch = [
  message(1, Buffer.from('{"a":1}')),
  message(2, null),
  message(3, Buffer.from([0xff])),
  message(4, Buffer.from('{"b":2}')),
]

test('what is no text goes to the invalid topic with its reason, the rest to the intake, and each is counted once', async () => {
  const { told, handle } = listenerOf()
  await handle(batch, new AbortController().signal)
  expect(told).toEqual({
    taken: ['{"a":1}', '{"b":2}'],
    invalid: [
      ['2', 'no value'],
      ['3', 'not UTF-8'],
    ],
    settled: [['VOUCHER', 4, ['inserted', 'inserted', 'invalid', 'invalid']]],
    progress: 3,
  })
})

test('a message that the invalid topic does not take yet is reported again, once', async () => {
  const { told, handle } = listenerOf(1)
  await handle(batch.slice(1, 2), new AbortController().signal)
  expect([told.invalid, told.settled]).toEqual([[['2', 'no value']], [['VOUCHER', 1, ['invalid']]]])
})

test('without a trace the origin of a message is handed on as it came', async () => {
  const { origins, handle } = listenerOf()
  await handle(batch, new AbortController().signal)
  expect(origins).toEqual([batch[0], batch[3]])
})

describe('where gifts are traced', () => {
  const take = collectSpans()
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
  const message = (offset: string, value: string | null, flags: string) => ({
    ...{ topic: 'gifts', partition: 2, offset, key: null, value: value === null ? null : Buffer.from(value) },
    traceparent: `00-${TRACE}-00f067aa0ba902b7-${flags}`,
  })

  test('the intake of a message goes on with the trace of its writer, and the gift with that of the intake', async () => {
    const { origins, handle } = listenerOf()
    await handle([message('7', '{}', '01'), message('8', null, '01')], new AbortController().signal)
    const [span, ...others] = take()
    expect(others).toEqual([])
    expect([span?.spanContext().traceId, span?.parentSpanContext?.spanId]).toEqual([TRACE, '00f067aa0ba902b7'])
    expect(span?.attributes).toEqual({
      'messaging.system': 'kafka',
      'messaging.destination.name': 'gifts',
      'messaging.destination.partition.id': '2',
      'messaging.kafka.offset': '7',
      'promostream.outcome': 'inserted',
    })
    expect(origins).toMatchObject([{ offset: '7', traceparent: `00-${TRACE}-${span?.spanContext().spanId}-01` }])
  })

  test('a message that is not traced is handed on as it came', async () => {
    const { origins, handle } = listenerOf()
    const untraced = message('7', '{}', '00')
    await handle([untraced], new AbortController().signal)
    expect([take(), origins]).toEqual([[], [untraced]])
  })
})
