import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import '#kafka/request-queue.ts'
import { until } from '#test/support/redis.ts'

interface Queue {
  throttleCheckTimeoutId: NodeJS.Timeout | null
  push(request: object): void
  fulfillRequest(response: object): void
  maybeThrottle(ms: number): void
  scheduleRequestTimeoutCheck(): void
  destroy(): void
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue

let queue: Queue
let sentAtMs: Map<number, number>

beforeEach(() => {
  sentAtMs = new Map()
  queue = queueOf({})
})

afterEach(() => {
  queue.destroy()
  jest.useRealTimers()
})

function queueOf(options: object): Queue {
  return new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 1000,
    enforceRequestTimeout: false,
    clientId: 'test',
    broker: 'none',
    logger: { debug: () => undefined, warn: () => undefined },
    ...options,
  })
}

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

test.each([
  [30_000, 1000],
  [2000, 200],
])('of a time-out of %d ms it is looked up every %d ms whether a request has timed out', (requestTimeout, everyMs) => {
  jest.useFakeTimers()
  let looks = 0
  const isConnected = () => {
    looks += 1
    return true
  }
  queue = queueOf({ requestTimeout, enforceRequestTimeout: true, isConnected })
  queue.scheduleRequestTimeoutCheck()
  jest.advanceTimersByTime(10 * everyMs)
  expect(looks).toBe(10)
})

test('a request that is not answered in time is given up, and none before its time', () => {
  jest.useFakeTimers()
  const rejected: number[] = []
  queue = queueOf({ requestTimeout: 2000, maxInFlightRequests: null, enforceRequestTimeout: true })
  queue.scheduleRequestTimeoutCheck()
  push(1, () => rejected.push(1))
  jest.advanceTimersByTime(1000)
  push(2, () => rejected.push(2))
  jest.advanceTimersByTime(1000)
  expect(rejected).toEqual([])
  jest.advanceTimersByTime(200)
  expect(rejected).toEqual([1])
  jest.advanceTimersByTime(1000)
  expect(rejected).toEqual([1, 2])
})

test('of a connection that is closed nothing is looked up any more', () => {
  jest.useFakeTimers()
  queue = queueOf({ enforceRequestTimeout: true, isConnected: () => false })
  queue.scheduleRequestTimeoutCheck()
  expect(jest.getTimerCount()).toBe(1)
  jest.advanceTimersByTime(100)
  expect(jest.getTimerCount()).toBe(0)
})

test('where no time-out is enforced there is no timer, and one that is there is replaced', () => {
  jest.useFakeTimers()
  queue.scheduleRequestTimeoutCheck()
  expect(jest.getTimerCount()).toBe(0)
  queue = queueOf({ enforceRequestTimeout: true })
  queue.scheduleRequestTimeoutCheck()
  queue.scheduleRequestTimeoutCheck()
  expect(jest.getTimerCount()).toBe(1)
})

function push(correlationId: number, reject: (error: Error) => void = () => undefined): void {
  queue.push({
    entry: { correlationId, resolve: () => undefined, reject },
    expectResponse: true,
    sendRequest: () => sentAtMs.set(correlationId, Date.now()),
  })
}

function fulfill(correlationId: number): void {
  queue.fulfillRequest({ correlationId, size: 0, payload: null })
}
