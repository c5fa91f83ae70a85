import { expect, test } from '@jest/globals'
import { isFinalRefusal } from '#runtime/redis-refusal.ts'
import { createReconnectOnError } from '#runtime/redis-watch.ts'

const REPLICA = "READONLY You can't write against a read only replica."

test.each([
  REPLICA,
  `ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -${REPLICA}`,
  `${REPLICA} script: 1, on @user_script:1.`,
  'LOADING Redis is loading the dataset in memory',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
  'NOREPLICAS Not enough good replicas to write.',
  'CLUSTERDOWN The cluster is down',
])('another socket may cure: %s', message => {
  expect(createReconnectOnError()(new Error(message))).toBe(true)
})

test.each([
  'WRONGTYPE Operation against a key holding the wrong kind of value',
  "OOM command not allowed when used memory > 'maxmemory'.",
  'NOGROUP No such key',
  "ERR unknown command 'READONLY'",
  'BUSYGROUP Consumer Group name already exists',
])('another socket cures not: %s', message => {
  expect(createReconnectOnError()(new Error(message))).toBe(false)
})

test('a server that goes on refusing gets one new socket a second', () => {
  let nowMs = 0
  const reconnects = createReconnectOnError(() => nowMs)
  const error = new Error(REPLICA)
  const answers = [0, 10, 999, 1000, 1500, 2000].map(ms => {
    nowMs = ms
    return reconnects(error)
  })
  expect(answers).toEqual([true, false, false, true, false, true])
})

test.each([
  'WRONGPASS invalid username-password pair or user is disabled.',
  'NOAUTH Authentication required.',
  "NOPERM this user has no permissions to run the 'ping' command",
  'ERR This instance has cluster support disabled',
  'self-signed certificate',
])('no waiting cures: %s', message => expect(isFinalRefusal(new Error(message))).toBe(true))

test.each([
  'getaddrinfo ENOTFOUND no-such-host',
  'connect ECONNREFUSED 127.0.0.1:1',
  'Connection is closed.',
  'LOADING Redis is loading',
])('may pass: %s', message => expect(isFinalRefusal(new Error(message))).toBe(false))
