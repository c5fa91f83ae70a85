import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { CredentialsLatch } from '#money/credentials-latch.ts'
import { createLogger } from '#runtime/logger.ts'

const away = async () => {
  throw new Error('Redis is away')
}

let latch: CredentialsLatch
let answer: boolean | undefined
let probes: number
let changes: (string | undefined)[]

beforeEach(async () => {
  jest.useFakeTimers()
  ;[answer, probes, changes] = [undefined, 0, []]
  latch = new CredentialsLatch({
    redis: { get: away, set: away } as never,
    logger: createLogger('test', 'silent'),
    onChange: refusal => void changes.push(refusal?.code),
    probe: async () => {
      probes += 1
      return answer
    },
    tickMs: 1000,
    probeIntervalMs: 5000,
  })
  await latch.start()
})
afterEach(() => {
  latch.stop()
  jest.useRealTimers()
})

test('without Redis an instance holds back by itself, and goes on when its own probe is taken', async () => {
  latch.refused('HTTP_401')
  latch.refused('HTTP_403')
  await jest.advanceTimersByTimeAsync(12_000)
  expect([latch.refusal?.code, probes, changes]).toEqual(['HTTP_401', 2, ['HTTP_401']])

  answer = true
  await jest.advanceTimersByTimeAsync(5000)
  expect([latch.refusal, probes, changes]).toEqual([undefined, 3, ['HTTP_401', undefined]])
})

test('refused again soon after, it asks half as often, once for each relapse', async () => {
  answer = true
  latch.refused('HTTP_401')
  await jest.advanceTimersByTimeAsync(6000)
  expect(latch.refusal).toBeUndefined()

  answer = false
  latch.refused('HTTP_401')
  await jest.advanceTimersByTimeAsync(9500)
  expect(probes).toBe(1)
  await jest.advanceTimersByTimeAsync(1500)
  expect(probes).toBe(2)
})
