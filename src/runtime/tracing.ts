import {
  type Attributes,
  type Context,
  context,
  type Link,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { errorLine } from './errors.ts'
import { answerOr } from './within.ts'

/**
 * One trace a gift. Everything here does nothing, and costs nothing but a question, unless an OpenTelemetry SDK was loaded
 * before (`node --import …/tracing.js`). Between processes goes the W3C `traceparent`, as a string.
 */

export interface SpanOptions {
  kind: 'consumer' | 'client'
  /** The `traceparent` of what this goes on with; without one the span that is active here, or a trace of its own. */
  parent?: string | undefined
  /** Attempts that this one repeats. */
  links?: readonly (string | undefined)[]
  attributes?: Attributes
}

/** Sets attributes of a span that is not over yet. */
export type Annotate = (attributes: Attributes) => void

const NAME = 'promostream'
const KINDS = { consumer: SpanKind.CONSUMER, client: SpanKind.CLIENT }
const nothing: Annotate = () => undefined

/** `version-trace-span-flags`; the last bit of the flags says that it is sampled. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]([0-9a-f])$/

let known: Tracer | undefined
let share = 1

/** Of the gifts whose message says nothing about it, so many are traced (0 … 1). Drawn here: a span for each would cost more. */
export function setTracedShare(value: number): void {
  share = value
}

function isDrawn(parent: string | undefined): boolean {
  const flags = parent === undefined ? undefined : TRACEPARENT.exec(parent)?.[1]
  return flags === undefined ? Math.random() < share : Number.parseInt(flags, 16) % 2 === 1
}

/** Undefined: no SDK was loaded. */
function tracer(): Tracer | undefined {
  if (known !== undefined) return known
  const provider = trace.getTracerProvider()
  // An SDK that comes later is heard of then.
  known = provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(NAME) : provider.getTracer(NAME)
  return known
}

export function isTracing(): boolean {
  return tracer() !== undefined
}

/**
 * Runs `work` inside a span of that name, which ends with it; a rejection is its error. A consumer's span is drawn unless its
 * parent decides; a client's is there where the work around it is traced.
 */
export async function withSpan<Result>(
  name: string,
  options: SpanOptions,
  work: (annotate: Annotate) => Promise<Result>,
): Promise<Result> {
  const own = tracer()
  if (own === undefined) return work(nothing)
  const { kind, parent, links = [], attributes = {} } = options
  if (kind === 'client' ? trace.getActiveSpan() === undefined : !isDrawn(parent)) return work(nothing)
  const before = parent === undefined ? context.active() : contextOf(parent)
  const span = own.startSpan(name, { kind: KINDS[kind], attributes, links: links.flatMap(linkTo) }, before)
  try {
    return await context.with(trace.setSpan(before, span), () => work(set => void span.setAttributes(set)))
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: errorLine(error) })
    throw error
  } finally {
    span.end()
  }
}

/** A span that ends when it is told to: of one message among many that are taken in as one. */
export interface OpenSpan {
  /** To hand on. */
  readonly traceparent: string | undefined
  end(attributes: Attributes): void
}

/** Undefined while nothing is traced, or this is not. */
export function openSpan(name: string, { kind, parent, attributes = {} }: SpanOptions): OpenSpan | undefined {
  const own = tracer()
  if (own === undefined || !isDrawn(parent)) return undefined
  const before = parent === undefined ? ROOT_CONTEXT : contextOf(parent)
  const span = own.startSpan(name, { kind: KINDS[kind], attributes }, before)
  return {
    traceparent: traceparentOf(trace.setSpan(before, span)),
    end: more => void span.setAttributes(more).end(),
  }
}

/** A span whose time has gone by already; times in ms since the epoch. */
export function recordSpan(
  name: string,
  { kind, parent }: SpanOptions,
  time: { startMs: number; endMs: number },
): void {
  const own = tracer()
  if (own === undefined) return
  const before = parent === undefined ? ROOT_CONTEXT : contextOf(parent)
  own.startSpan(name, { kind: KINDS[kind], startTime: time.startMs }, before).end(time.endMs)
}

/** Says more about what is going on here. */
export function annotateSpan(attributes: Attributes): void {
  if (tracer() !== undefined) trace.getActiveSpan()?.setAttributes(attributes)
}

/** `traceparent` of the span that is active here, to hand on; undefined while nothing is traced. */
export function activeTraceparent(): string | undefined {
  if (tracer() === undefined || trace.getActiveSpan() === undefined) return undefined
  return traceparentOf(context.active())
}

export interface TraceFields {
  traceparent?: string
}

/** What is handed on beside a gift: nothing while nothing is traced. */
export function traceFields(traceparent = activeTraceparent()): TraceFields {
  return traceparent === undefined ? {} : { traceparent }
}

/** What a log line says of the trace that it belongs to, where that is known by what was handed on. */
export function bindingsOf(traceparent: string | undefined): { trace_id?: string; span_id?: string } {
  const [, trace_id, span_id] = traceparent?.split('-') ?? []
  return trace_id === undefined || span_id === undefined ? {} : { trace_id, span_id }
}

/** The same by the span that is active. */
export function traceBindings(): { trace_id?: string; span_id?: string } {
  const span = tracer() === undefined ? undefined : trace.getActiveSpan()
  if (span === undefined) return {}
  const { traceId, spanId } = span.spanContext()
  return { trace_id: traceId, span_id: spanId }
}

/** Sends what has ended and was not sent yet, for that long at most. Never rejects. */
export async function flushTracing(limitMs: number): Promise<void> {
  const provider = trace.getTracerProvider()
  const own = provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider
  const { forceFlush } = own as { forceFlush?(): Promise<void> }
  if (forceFlush === undefined) return
  await answerOr(forceFlush.call(own), undefined, limitMs)
}

function traceparentOf(of: Context): string | undefined {
  const carrier: TraceFields = {}
  propagation.inject(of, carrier)
  return carrier.traceparent
}

/** What is not a `traceparent` begins a trace of its own. */
function contextOf(traceparent: string) {
  return propagation.extract(ROOT_CONTEXT, { traceparent })
}

function linkTo(traceparent: string | undefined): Link[] {
  const linked = traceparent === undefined ? undefined : trace.getSpanContext(contextOf(traceparent))
  return linked === undefined ? [] : [{ context: linked }]
}
