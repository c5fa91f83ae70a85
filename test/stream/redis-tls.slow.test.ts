import { useRedis } from '../support/stream-harness.ts'

useRedis('tls')
await import('./conformance/worker.ts')
await import('./conformance/recovery.ts')
await import('./conformance/faults.ts')
await import('./conformance/flow.ts')
await import('./conformance/input.ts')
await import('./conformance/pitfalls.ts')
await import('./conformance/producer.ts')
await import('./conformance/lost-replies.ts')
await import('./conformance/dead-connections.ts')
await import('./conformance/hostile.ts')
await import('./conformance/waiting.ts')
