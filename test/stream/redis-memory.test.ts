import { useRedis } from '../support/stream-harness.ts'

/**
 * Not applicable to a server without a socket: replies lost on the way (`lost-replies.ts`, by a proxy), users and
 * passwords (`an error carries its command`), TLS, and a cluster's slots.
 */
useRedis('memory')
await import('./conformance/worker.ts')
await import('./conformance/recovery.ts')
await import('./conformance/faults.ts')
await import('./conformance/flow.ts')
await import('./conformance/pitfalls.ts')
await import('./conformance/hostile.ts')
await import('./conformance/waiting.ts')
