import { expect, test } from '@jest/globals'
import { parseRedisUrl } from '#runtime/redis-url.ts'

test.each([
  ['redis://127.0.0.1', { host: '127.0.0.1', port: 6379, db: 0, isTls: false }],
  ['redis://cache:6380/3', { host: 'cache', port: 6380, db: 3, isTls: false }],
  ['redis://[::1]:7000/', { host: '::1', port: 7000, db: 0, isTls: false }],
  ['redis://:secret@h', { host: 'h', port: 6379, password: 'secret', db: 0, isTls: false }],
  [
    'rediss://streams:a%20secret%2F%40@h:1?family=6',
    { host: 'h', port: 1, username: 'streams', password: 'a secret/@', db: 0, family: 6, isTls: true },
  ],
])('%s: every part holds', (url, endpoint) => {
  expect(parseRedisUrl(url)).toEqual(endpoint)
})

test.each([
  ['http://h', 'redis:// or rediss://'],
  ['redis:', 'host'],
  ['redis://h/one', 'database number'],
  ['redis://h/1/2', 'database number'],
  ['redis://h?foo=1', '«foo»'],
  ['redis://h?family=5', '«family»'],
  ['redis://h?family=4&family=6', '«family»'],
  ['redis://h?password=canary', '«password»'],
  ['redis://u:canary#1@h', '%23'],
  ['redis://u:canary%zz@h', '%25'],
])('%s is refused, without a word of its password', (url, complaint) => {
  const refusal = (() => {
    try {
      return String(parseRedisUrl(url))
    } catch (error) {
      return (error as Error).message
    }
  })()
  expect(refusal).toContain(complaint)
  expect(refusal).not.toContain('canary')
})

test('a cluster has no database but 0', () => {
  expect(() => parseRedisUrl('redis://h/2', { cluster: true })).toThrow('a cluster has only number 0')
  expect(parseRedisUrl('redis://h/0', { cluster: true }).db).toBe(0)
})
