import { describe, expect, jest, test } from '@jest/globals'
import { CrashMemory } from '#kafka/crash-memory.ts'

describe('a consumer that crashes', () => {
  test('is not ready before it is back, nor while it crashes again and again', () => {
    jest.useFakeTimers()
    jest.advanceTimersByTime(100_000)
    try {
      const crashes = new CrashMemory()
      crashes.assertSteady()
      crashes.crashed()
      expect(() => crashes.assertSteady()).toThrow('has crashed and is not back yet')
      crashes.joined()
      crashes.assertSteady()
      jest.advanceTimersByTime(6000)
      crashes.crashed()
      crashes.joined()
      expect(() => crashes.assertSteady()).toThrow('has crashed 2 times in the last 30 s')
      jest.advanceTimersByTime(24_000)
      crashes.assertSteady()
    } finally {
      jest.useRealTimers()
    }
  })
})
