import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import '#kafka/request-queue.ts'
import { until } from '#test/support/redis.ts'

interface Queue {
  throttleCheckTimeoutId: NodeJS.Timeout | null
  push(request: object): void
  fulfillRequest(response: object): void
  maybeThrottle(ms: number): void
  destroy(): void
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue

let queue: Queue
let sentAtMs: Map<number, number>

beforeEach(() => {
  sentAtMs = new Map()
  queue = new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 1000,
    enforceRequestTimeout: false,
    clientId: 'test',
    broker: 'none',
    logger: { debug: () => undefined, warn: () => undefined },
  })
})

afterEach(() => queue.destroy())

test('nothing waits: it looks for nothing', async () => {
  push(1)
  fulfill(1)

  expect(queue.throttleCheckTimeoutId).toBeNull()
  await sleep(20)
  expect(queue.throttleCheckTimeoutId).toBeNull()
})

test('what the requests under way hold back is sent when one of them is answered', async () => {
  push(1)
  push(2)
  await sleep(30)
  expect([...sentAtMs.keys()]).toEqual([1])

  fulfill(1)
  expect([...sentAtMs.keys()]).toEqual([1, 2])
  fulfill(2)
  await sleep(20)
  expect(queue.throttleCheckTimeoutId).toBeNull()
})

test('what the broker’s throttling holds back is sent when that ends', async () => {
  const throttledAtMs = Date.now()
  queue.maybeThrottle(60)
  push(1)
  expect(sentAtMs.size).toBe(0)

  await until('it is sent', () => sentAtMs.has(1))
  expect((sentAtMs.get(1) ?? 0) - throttledAtMs).toBeGreaterThanOrEqual(60)
})

test('what was throttled anew while it waited is sent when that ends', async () => {
  queue.maybeThrottle(20)
  push(1)
  const throttledAtMs = Date.now()
  queue.maybeThrottle(100)

  await until('it is sent', () => sentAtMs.has(1))
  expect((sentAtMs.get(1) ?? 0) - throttledAtMs).toBeGreaterThanOrEqual(100)
})

function push(correlationId: number): void {
  queue.push({
    entry: { correlationId, resolve: () => undefined, reject: () => undefined },
    expectResponse: true,
    sendRequest: () => sentAtMs.set(correlationId, Date.now()),
  })
}

function fulfill(correlationId: number): void {
  queue.fulfillRequest({ correlationId, size: 0, payload: null })
}
