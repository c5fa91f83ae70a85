import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startTestRedis, type TestRedis, until } from '../support/redis.ts'

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

const run = async (example: string, ...args: string[]) =>
  (await promisify(execFile)(process.execPath, [SOURCES, `examples/${example}`, ...args])).stdout

test('examples/limited-api.ts: no more calls begin than the limit says, and a refused one comes back', async () => {
  const lines = (await run('limited-api.ts', redis.url)).trim().split('\n')
  expect(lines).toHaveLength(13)
  expect(new Set(lines.slice(0, 12)).size).toBe(12)
  // 13 calls, five a second.
  expect(lines.at(-1)).toMatch(/^13 calls in [2-9]\d* s$/)
})

test('examples/delayed-by-bullmq.ts: each comes when its time has come', async () => {
  const lines = (await run('delayed-by-bullmq.ts', redis.url)).trim().split('\n')
  expect(lines.sort()).toEqual(['remind ada', 'remind grace'])
})

test('examples/dead-letters.ts: one is replayed, the other thrown away', async () => {
  const lines = (await run('dead-letters.ts', redis.url)).trim().split('\n')
  expect(lines.slice(0, 2).sort()).toEqual([
    'ada: failed 2 times, the last with: connect ETIMEDOUT',
    'mallory: failed 2 times, the last with: connect ETIMEDOUT',
  ])
  expect(lines.slice(2).sort()).toEqual(['1 thrown away, 1 back on the stream', 'sent to ada'])
  expect(await redis.probe.xlen('example:letters:dead-letter')).toBe(0)
})

test('examples/testing.ts: its tests hold, without a Redis', async () => {
  expect(await run('testing.ts')).toMatch(/pass 3[\s\S]*fail 0/)
})

test('examples/fastify-shutdown.ts: what was taken is done before the process ends', async () => {
  const child = spawn(process.execPath, [SOURCES, 'examples/fastify-shutdown.ts', redis.url])
  let printed = ''
  const ended = once(child, 'exit')
  const listening = new Promise<string>(resolve => {
    child.stdout.on('data', chunk => {
      printed += String(chunk)
      const address = /listening on (\S+)\n/.exec(printed)?.[1]
      if (address !== undefined) resolve(address)
    })
  })
  const address = await listening
  const response = await fetch(`${address}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ item: 'a lamp' }),
  })
  expect(response.status).toBe(202)
  await until('a worker has it', async () => {
    const [pending] = (await redis.probe.xpending('example:orders', 'workers')) as [number]
    return pending === 1 || printed.includes('packed')
  })
  child.kill('SIGTERM')
  expect((await ended)[0]).toBe(0)
  expect(printed.split('\n').slice(1)).toEqual(['packed a lamp', 'closed', ''])
  expect(await redis.probe.xlen('example:orders')).toBe(0)
})
