import { expect, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
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

/** As the producer has it: wrapped, with the server's reply as its cause. */
function refused(reply: string): Error {
  return new Error(`XADD to a failed: ${reply}`, { cause: new Error('not added', { cause: new ReplyError(reply) }) })
}

test.each([
  'WRONGTYPE Operation against a key holding the wrong kind of value',
  'NOPERM No permissions to access a key',
  'ERR The stream has exhausted the last possible ID, unable to add more items',
])('a stream that the server refuses is in trouble of its own at once, until it works again: %s', reply => {
  const troubles = new StreamTroubles()
  expect(troubles.failed('a', refused(reply), 0)).toBe(true)
  expect([troubles.isOwn('a', 1000, 999), troubles.isOwn('a', 1000, 1000), troubles.isOwn('b')]).toEqual([
    true,
    false,
    false,
  ])
  troubles.worked('a', 1001)
  expect(troubles.isOwn('a')).toBe(false)
})

test.each([
  "OOM command not allowed when used memory > 'maxmemory'.",
  "-OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  'LOADING Redis is loading the dataset in memory',
  'CLUSTERDOWN Hash slot not served',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
])('a server that refuses everybody is no stream’s own trouble: %s', reply => {
  const troubles = new StreamTroubles()
  expect([0, 1, 60_000].map(nowMs => troubles.failed('a', refused(reply), nowMs))).toEqual([false, false, false])
})

test('others that work although nothing else is written tell whose trouble it is, once it has lasted', () => {
  const troubles = new StreamTroubles()
  expect(troubles.hasFailedLong('a', 5000)).toBe(false)
  troubles.failed('a', AWAY, 0)
  expect([troubles.hasFailedLong('a', 2999), troubles.hasFailedLong('a', 3000)]).toEqual([false, true])
  troubles.othersWork('a', 3000)
  expect([troubles.isOwn('a', 1000, 3999), troubles.isOwn('a', 1000, 4000)]).toEqual([true, false])
  expect(troubles.failed('a', AWAY, 3001)).toBe(true)
})

test('of more streams than 10,000 it forgets what it knew: it never grows without end', () => {
  const troubles = new StreamTroubles()
  for (let stream = 0; stream < 10_000; stream++) troubles.failed(`s${stream}`, refused('WRONGTYPE x'), 0)
  expect([troubles.isOwn('s0'), troubles.isOwn('s9999')]).toEqual([true, true])
  troubles.failed('one more', refused('WRONGTYPE x'), 0)
  expect([troubles.isOwn('s0'), troubles.isOwn('s9999'), troubles.isOwn('one more')]).toEqual([false, false, true])

  const away = new StreamTroubles()
  for (let stream = 0; stream < 10_000; stream++) away.failed(`s${stream}`, AWAY, 0)
  expect([away.hasFailedLong('s0', 3000), away.hasFailedLong('s9999', 3000)]).toEqual([true, true])
  away.failed('one more', AWAY, 0)
  expect([away.hasFailedLong('s0', 3000), away.hasFailedLong('one more', 3000)]).toEqual([false, true])
})
