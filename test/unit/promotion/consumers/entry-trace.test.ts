import { describe, expect, test } from '@jest/globals'
import { EntryTrace } from '#promotion/consumers/entry-trace.ts'
import { TRACE_FIELD } from '#queues/promotion-stream.ts'
import type { Outcome } from '#stream/index.ts'
import { collectSpans } from '#test/support/spans.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const entry = (id: string) =>
  ({
    id,
    stream: 's',
    deliveries: 2,
    fields: { key: 'k', message: '{}', [TRACE_FIELD]: `00-${TRACE}-00f067aa0ba902b7-01` },
  }) as never
const LATER = { kind: 'retry-later' } as unknown as Outcome

test('without tracing the handler’s word is passed on, and nothing is kept', async () => {
  const entries = new EntryTrace()
  expect(await entries.around(entry('1-0'), async () => LATER)).toBe(LATER)
  entries.acknowledged(['1-0'])
})

describe('with it', () => {
  const take = collectSpans()

  test('a gift that was paid has a span, and one from there to its acknowledgement, once', async () => {
    const entries = new EntryTrace()
    expect(await entries.around(entry('1-0'), async () => undefined)).toBeUndefined()
    const [payment] = take()
    expect(payment).toMatchObject({
      name: 'gift payment',
      attributes: { 'messaging.message.id': '1-0', 'messaging.destination.name': 's', 'promostream.deliveries': 2 },
    })
    expect(payment?.attributes).not.toHaveProperty('promostream.outcome')
    expect(payment?.spanContext().traceId).toBe(TRACE)
    entries.acknowledged(['9-0', '1-0'])
    const [acknowledgement, ...others] = take()
    expect(acknowledgement).toMatchObject({ name: 'gift acknowledgement' })
    expect(acknowledgement?.parentSpanContext?.spanId).toBe(payment?.spanContext().spanId)
    entries.acknowledged(['1-0'])
    expect([others, take()]).toEqual([[], []])
  })

  test('one that comes round again says so, and has no acknowledgement', async () => {
    const entries = new EntryTrace()
    expect(await entries.around(entry('1-0'), async () => LATER)).toBe(LATER)
    expect(take()).toMatchObject([{ attributes: { 'promostream.outcome': 'retry-later' } }])
    entries.acknowledged(['1-0'])
    expect(take()).toEqual([])
  })
})
