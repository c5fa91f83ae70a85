import { expect, test } from '@jest/globals'
import { StreamTroubles } from '#promotion/intake/stream-troubles.ts'

const AWAY = new Error('Command timed out')

test('a Redis that is away is nobody’s own trouble, however long', () => {
  const troubles = new StreamTroubles()
  troubles.worked('b', 0)
  const own = [1, 2, 60_000, 600_000].flatMap(nowMs => [
    troubles.failed('a', AWAY, nowMs),
    troubles.failed('b', AWAY, nowMs),
  ])
  expect(new Set(own)).toEqual(new Set([false]))
})

test('a stream that fails while others work is in trouble of its own, after a while, until it works again', () => {
  const troubles = new StreamTroubles()
  expect(troubles.failed('a', AWAY, 0)).toBe(false)
  troubles.worked('b', 2999)
  expect(troubles.failed('a', AWAY, 3000)).toBe(false)
  troubles.worked('b', 3000)
  expect(troubles.failed('a', AWAY, 3001)).toBe(true)
  expect(troubles.failed('b', AWAY, 3002)).toBe(false)
  troubles.worked('a', 4000)
  expect(troubles.failed('a', AWAY, 4001)).toBe(false)
})

test('a key of another type is the stream’s own trouble at once', () => {
  const wrong = new Error('XADD to x failed: WRONGTYPE Operation against a key holding the wrong kind of value')
  expect(new StreamTroubles().failed('a', wrong, 0)).toBe(true)
})
