import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { calculateConsumerCountPerInstance } from '#promotion/consumers/stream-manager.ts'
import { retryDelayMs, retryJobId } from '#queues/retry.queue.ts'

const policy = fc.record({ baseMs: fc.integer({ min: 1, max: 10_000 }), maxMs: fc.integer({ min: 1, max: 600_000 }) })

test('a retry waits at most its exponential ceiling, and never longer than the maximum', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      policy,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, options, random) => {
        const delayMs = retryDelayMs(attempts, options, () => random)
        return delayMs >= 0 && delayMs <= options.maxMs && delayMs <= options.baseMs * 2 ** (attempts - 1)
      },
    ),
  )
})

test('full jitter reaches both ends', () => {
  const options = { baseMs: 1000, maxMs: 300_000 }
  expect(retryDelayMs(4, options, () => 0)).toBe(0)
  expect(retryDelayMs(4, options, () => 1)).toBe(8000)
  expect(retryDelayMs(40, options, () => 1)).toBe(300_000)
})

test('a job id has no colon, which BullMQ refuses, and is the target’s own', () => {
  expect(retryJobId('POINT', '9223372036854775807')).toBe('POINT-9223372036854775807')
})

test('consumers per instance: one for each 20 gifts, at least 1, at most the maximum', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000), fc.integer({ min: 1, max: 5000 }), (totalCount, max) => {
      const count = calculateConsumerCountPerInstance(totalCount, max)
      return count >= 1 && count <= max && (count === max || count * 20 >= totalCount)
    }),
  )
  expect(calculateConsumerCountPerInstance(0, 512)).toBe(1)
  expect(calculateConsumerCountPerInstance(21, 512)).toBe(2)
  expect(calculateConsumerCountPerInstance(1_000_000, 512)).toBe(512)
})
