import { useRedis } from '../support/stream-harness.ts'

/**
 * Not applicable to a server without a socket: replies lost on the way (`lost-replies.ts`, by a proxy), connections that
 * fall silent (`dead-connections.ts`), replicas (`demoted.ts`), users and passwords (`an error carries its command`), TLS,
 * and a cluster's slots. Not yet run on it: `producer.ts`.
 */
useRedis('memory')
await import('./conformance/worker.ts')
await import('./conformance/recovery.ts')
await import('./conformance/faults.ts')
await import('./conformance/flow.ts')
await import('./conformance/input.ts')
await import('./conformance/pitfalls.ts')
await import('./conformance/restart.ts')
await import('./conformance/hostile.ts')
await import('./conformance/stretches.ts')
await import('./conformance/waiting.ts')
