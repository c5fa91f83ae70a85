import { describe, expect, test } from '@jest/globals'
import {
  activeTraceparent,
  annotateSpan,
  bindingsOf,
  isTracing,
  openSpan,
  recordSpan,
  setTracedShare,
  traceBindings,
  traceFields,
  withSpan,
} from '#runtime/tracing.ts'
import { collectSpans } from '#test/support/spans.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const REMOTE = `00-${TRACE}-00f067aa0ba902b7-01`

test('without an SDK work is done as it is, and nothing is handed on', async () => {
  expect(isTracing()).toBe(false)
  expect(openSpan('x', { kind: 'consumer', parent: REMOTE })).toBeUndefined()
  const inside = await withSpan('x', { kind: 'client', parent: REMOTE }, async annotate => {
    annotate({ a: 1 })
    annotateSpan({ b: 2 })
    return [activeTraceparent(), traceFields(), traceBindings()]
  })
  expect(inside).toEqual([undefined, {}, {}])
  await expect(withSpan('x', { kind: 'client' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(recordSpan('x', { kind: 'consumer' }, { startMs: 0, endMs: 1 })).toBeUndefined()
})

describe('with one', () => {
  const take = collectSpans()

  test('a span goes on with what was handed to it, and hands itself on', async () => {
    const handed = await withSpan('payment', { kind: 'consumer', parent: REMOTE }, async annotate => {
      annotate({ outcome: 'paid' })
      await withSpan('POST', { kind: 'client' }, async () => annotateSpan({ status: 200 }))
      return traceFields()
    })
    const [post, payment] = take()
    expect(payment).toMatchObject({ name: 'payment', attributes: { outcome: 'paid' } })
    expect(payment?.spanContext().traceId).toBe(TRACE)
    expect(payment?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7')
    expect(post?.parentSpanContext?.spanId).toBe(payment?.spanContext().spanId)
    expect(post?.attributes).toEqual({ status: 200 })
    expect(handed).toEqual({ traceparent: `00-${TRACE}-${payment?.spanContext().spanId}-01` })
  })

  test('a repeated attempt names the one that it repeats', async () => {
    await withSpan('retry', { kind: 'consumer', parent: REMOTE, links: [REMOTE, undefined] }, async () => undefined)
    const [retry] = take()
    expect(retry?.links.map(link => link.context.spanId)).toEqual(['00f067aa0ba902b7'])
  })

  test.each(['', 'nonsense', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `${REMOTE}x`])(
    'a header that is none begins a trace: %j',
    async parent => {
      await withSpan('payment', { kind: 'consumer', parent, links: [parent] }, async () => undefined)
      const [payment] = take()
      expect(payment?.spanContext().traceId).not.toBe(TRACE)
      expect(payment?.links).toEqual([])
    },
  )

  test('a gift that nobody sampled costs no span, and says so where a header decided', async () => {
    const unsampled = REMOTE.replace(/01$/, '00')
    expect(openSpan('intake', { kind: 'consumer', parent: unsampled })).toBeUndefined()
    const inside = await withSpan('payment', { kind: 'consumer', parent: unsampled }, async () =>
      withSpan('POST', { kind: 'client' }, async () => activeTraceparent()),
    )
    expect([inside, take()]).toEqual([undefined, []])
    setTracedShare(0)
    try {
      expect(openSpan('intake', { kind: 'consumer' })).toBeUndefined()
      await withSpan('payment', { kind: 'consumer' }, async () => undefined)
      await withSpan('payment', { kind: 'consumer', parent: REMOTE }, async () => undefined)
      expect(take()).toHaveLength(1)
    } finally {
      setTracedShare(1)
    }
  })

  test('a rejection is the span’s error, and goes on', async () => {
    const failing = withSpan('payment', { kind: 'consumer' }, () => Promise.reject(new Error('away')))
    await expect(failing).rejects.toThrow('away')
    expect(take()[0]?.status).toMatchObject({ code: 2, message: 'away' })
  })

  test('one that ends when it is told to is nobody’s context meanwhile', () => {
    const span = openSpan('intake', { kind: 'consumer', parent: REMOTE })
    expect(activeTraceparent()).toBeUndefined()
    span?.end({ outcome: 'inserted' })
    const [intake] = take()
    expect(span?.traceparent).toBe(`00-${TRACE}-${intake?.spanContext().spanId}-01`)
    expect(intake?.attributes).toEqual({ outcome: 'inserted' })
    expect(bindingsOf(span?.traceparent)).toEqual({ trace_id: TRACE, span_id: intake?.spanContext().spanId })
  })

  test('a log line says to which span it belongs', async () => {
    const bindings = await withSpan('payment', { kind: 'consumer', parent: REMOTE }, async () => traceBindings())
    expect(bindings).toEqual({ trace_id: TRACE, span_id: take()[0]?.spanContext().spanId })
    expect([traceBindings(), bindingsOf(undefined)]).toEqual([{}, {}])
  })

  test('a time that has gone by is recorded as it was', () => {
    const startMs = 1_795_000_000_000
    recordSpan('acknowledgement', { kind: 'consumer', parent: REMOTE }, { startMs, endMs: startMs + 500 })
    const seconds = startMs / 1000
    expect(take()[0]).toMatchObject({ startTime: [seconds, 0], endTime: [seconds, 500_000_000] })
  })
})
