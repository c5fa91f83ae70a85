import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

/** `promostream/stream` is what `npm run build` made; with this, the sources. */
const SOURCES = '--conditions=promostream-source'

let redis: TestRedis

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('examples/mails.ts does what docs/stream.md says of it', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SOURCES, 'examples/mails.ts', redis.url])
  expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
    'to ada@example.org: hello',
    'to grace@example.org: hello',
  ])
  const dead = (await redis.probe.xrange('example:mails:dead-letter', '-', '+')) as [string, string[]][]
  expect(dead.map(([, fields]) => fields)).toEqual([
    expect.arrayContaining(['{"to":"nobody","subject":"lost"}', '_reason', 'not an address']),
  ])
  expect(await redis.probe.xlen('example:mails')).toBe(0)
})

test('examples/many-streams.ts: a shared pool, a rate limit, producers that wait', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SOURCES, 'examples/many-streams.ts', redis.url])
  expect(stdout).toBe('150 pictures of 3 customers\n')
  for (const customer of ['ada', 'grace', 'linus']) {
    expect(await redis.probe.xlen(`example:resize:${customer}`)).toBe(0)
  }
})
