import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { EntryTrace } from '#promotion/consumers/entry-trace.ts'
import { annotateSpan, isTracing, openSpan, setTracedShare, traceFields, withSpan } from '#runtime/tracing.ts'

/**
 * What tracing adds to a gift's way, in CPU seconds for 100,000 gifts: off, and with an SDK at several shares. Everything
 * else of the way is left out, so that a busy machine does not hide it; beside it stands `bench:pipeline`, which has the
 * whole. `npm run bench:tracing`
 */
const GIFTS = 100_000
const AT_ONCE = 500

async function gift(entries: EntryTrace, id: string): Promise<void> {
  const span = isTracing() ? openSpan('gift intake', { kind: 'consumer', attributes: { offset: id } }) : undefined
  const fields = { key: 'k', message: '{}', ...(span === undefined ? {} : traceFields(span.traceparent)) }
  span?.end({ 'promostream.outcome': 'inserted' })
  const entry = { id, stream: 'campaign-promotion-42:voucher:stream', deliveries: 1, fields }
  await entries.around(entry as never, async () => {
    if (isTracing()) annotateSpan({ 'promostream.promotion.id': '42', 'promostream.target.id': id })
    if (!isTracing()) return undefined
    return withSpan('POST', { kind: 'client', attributes: { 'promostream.key': id } }, async annotate => {
      traceFields()
      annotate({ 'http.response.status_code': 200 })
      return undefined
    })
  })
}

async function cpuSeconds(): Promise<number> {
  const entries = new EntryTrace()
  const before = process.cpuUsage()
  for (let at = 0; at < GIFTS; at += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, (_, index) => `${at + index}-0`)
    await Promise.all(ids.map(id => gift(entries, id)))
    if (isTracing()) entries.acknowledged(ids)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

const share = process.argv[2]
if (share !== undefined) {
  setTracedShare(Number(share))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const exporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: async () => undefined,
  }
  trace.setGlobalTracerProvider(
    new TracerProvider({
      spanProcessors: [new BatchSpanProcessor({ exporter: exporter as never })],
    }),
  )
}
await cpuSeconds()
const seconds = await cpuSeconds()
process.stdout.write(`${share ?? 'off'}: ${seconds.toFixed(3)} CPU-s for ${GIFTS} gifts\n`)
process.exit(0)
