import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let redis: TestRedis

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('examples/mails.ts does what docs/stream.md says of it', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['examples/mails.ts', redis.url])
  expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
    'to ada@example.org: hello',
    'to grace@example.org: hello',
  ])
  const dead = (await redis.probe.xrange('example:mails:dead-letter', '-', '+')) as [string, string[]][]
  expect(dead.map(([, fields]) => fields)).toEqual([
    expect.arrayContaining(['to', 'nobody', '_reason', 'not an address']),
  ])
  expect(await redis.probe.xlen('example:mails')).toBe(0)
})
