import { basename } from 'node:path'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { getNumberFromEnv, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BatchSpanProcessor, ParentBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import { setTracedShare } from '#runtime/tracing.ts'

/**
 * `node --import ./dist/src/bin/tracing.js …`: the SDK, before the process itself. It is told by OpenTelemetry's own variables:
 * `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, and `OTEL_TRACES_SAMPLER_ARG`, the share of
 * gifts that are traced (1 if it is not set) where the message's own header has not decided.
 */
const entry = basename(process.argv[1] ?? '').replace(/\.\w+$/, '')
const named = resourceFromAttributes({ 'service.name': `promostream-${entry}` })
setTracedShare(getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG') ?? 1)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
trace.setGlobalTracerProvider(
  new TracerProvider({
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  }),
)
