import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createStreamConnection, type StreamConnection, StreamQueue } from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '../support/redis.ts'
import { isThorough, slowTest } from '../support/slow-test.ts'
import { killWorkers, type StreamChild, spawnStreamChild, startStreamChild } from '../support/stream-kills.ts'

let redis: TestRedis
let connection: StreamConnection
beforeAll(async () => {
  redis = await startTestRedis()
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
})
afterAll(async () => {
  await connection.close()
  await redis.stop()
})

test('SIGKILL of workers at random: each entry is handled, none is left, the dead one’s are taken over in time', async () => {
  const minIdleMs = 1500
  const report = await killWorkers({
    entries: isThorough ? 2000 : 1000,
    kills: isThorough ? 6 : 3,
    workers: 3,
    minIdleMs,
    jobMs: 150,
    concurrency: 30,
  })
  expect(report).toMatchObject({ missing: 0, left: 0, pending: 0, deadLetters: 0 })
  expect(report.killsThatHurt).toBeGreaterThan(0)
  expect(report.recoveryMsMax).toBeLessThanOrEqual(minIdleMs + 3000)
}, 120_000)

test('a worker frozen past min-idle does not steal back what another has taken, and works on', async () => {
  const run = { entries: 0, kills: 0, workers: 2, minIdleMs: 900, jobMs: 400, concurrency: 5 }
  const stream = 'frozen'
  const queue = new StreamQueue(stream, { connection, group: 'workers', codec: 'flat' })
  await queue.ensureGroup()
  const children: StreamChild[] = [await startStreamChild(redis.url, stream, run)]
  const [frozen] = children as [StreamChild]
  const ownersOf = async () => {
    const rows = (await redis.probe.xpending(stream, 'workers', '-', '+', 100)) as [string, string, number, number][]
    return rows.map(([, owner]) => owner)
  }
  try {
    const ids = (await queue.addBulk(Array.from({ length: 5 }, (_, index) => ({ n: String(index) })))).map(
      ({ id }) => id,
    )
    await until('it holds all', async () => (await ownersOf()).length === 5)
    frozen.process.kill('SIGSTOP')
    const other = await startStreamChild(redis.url, stream, { ...run, jobMs: 3000 })
    children.push(other)
    await until('the other has them', async () => (await ownersOf()).every(owner => owner === other.consumer))
    frozen.process.kill('SIGCONT')
    const seen = new Set<string>()
    await until('all are done', async () => {
      for (const owner of await ownersOf()) seen.add(owner)
      return (await redis.probe.xlen(stream)) === 0
    })
    expect([...seen].filter(owner => owner !== other.consumer)).toEqual([])
    const handled = await redis.probe.hgetall(`${stream}:handled`)
    expect(Object.keys(handled).sort()).toEqual([...ids].sort())
    other.process.kill('SIGKILL')
    const { id } = await queue.add({ n: 'afterwards' })
    await until('the thawed one works on', async () => (await redis.probe.hexists(`${stream}:handled`, id)) === 1)
  } finally {
    for (const child of children) child.process.kill('SIGKILL')
  }
}, 60_000)

slowTest(
  'an entry that kills its process is the only dead letter, whoever was beside it',
  async () => {
    const run = { entries: 0, kills: 0, workers: 2, minIdleMs: 800, jobMs: 50, concurrency: 200, maxDeliveries: 5 }
    const stream = 'killer'
    const queue = new StreamQueue<{ n: string }>(stream, { connection, group: 'workers', codec: 'flat' })
    await queue.ensureGroup()
    await queue.addBulk(Array.from({ length: 1001 }, (_, index) => ({ n: index === 500 ? 'killer' : String(index) })))
    const children = new Set<ReturnType<typeof spawnStreamChild>>()
    let isOver = false
    let deaths = 0
    // As a supervisor would: whoever dies is started again.
    const supervise = async () => {
      while (!isOver) {
        const child = spawnStreamChild(redis.url, stream, run)
        children.add(child)
        await once(child, 'exit')
        children.delete(child)
        if (!isOver) deaths += 1
      }
    }
    const supervisors = [supervise(), supervise()]
    try {
      await until('an empty stream', async () => (await redis.probe.xlen(stream)) === 0, 90_000)
    } finally {
      isOver = true
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(supervisors)
    }
    const letters = (await redis.probe.xrange(`${stream}:dead-letter`, '-', '+')) as [string, string[]][]
    expect(letters.map(([, fields]) => fields[1])).toEqual(['killer'])
    expect(deaths).toBeLessThanOrEqual(run.maxDeliveries + 1)
  },
  120_000,
)
