import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createStreamConnection, type StreamConnection, StreamQueue } from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '../support/redis.ts'
import { type StreamChild, startStreamChild } from '../support/stream-kills.ts'

const GROUP = 'workers'
/** One run that counts as a bad end, and the second delivery in a row would be the last. */
const RUN = { entries: 0, kills: 0, workers: 2, minIdleMs: 800, jobMs: 300, concurrency: 5, maxDeliveries: 2 }
const JOBS = 40

let redis: TestRedis
let connection: StreamConnection
beforeAll(async () => {
  redis = await startTestRedis()
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
}, 30_000)
afterAll(async () => {
  await connection.close()
  await redis.stop()
})

type Row = [id: string, owner: string, idleMs: number, deliveries: number]

async function pendingOf(stream: string, owner: string): Promise<Row[]> {
  return (await redis.probe.xpending(stream, GROUP, '-', '+', 100, owner)) as Row[]
}

const idleMsOf = async (stream: string, owner: string) =>
  Math.min(...(await pendingOf(stream, owner)).map(([, , idleMs]) => idleMs))

/** All entries are handled, and none was given up. */
async function assertWhole(stream: string, ids: readonly string[]): Promise<void> {
  await until('an empty stream', async () => (await redis.probe.xlen(stream)) === 0, 60_000)
  const handled = await redis.probe.hgetall(`${stream}:handled`)
  expect(Object.keys(handled).sort()).toEqual([...ids].sort())
  expect(await redis.probe.exists(`${stream}:dead-letter`)).toBe(0)
}

async function queueOf(stream: string, jobs = JOBS): Promise<string[]> {
  const queue = new StreamQueue(stream, { connection, group: GROUP, codec: 'flat' })
  await queue.ensureGroup()
  const added = await queue.addBulk(Array.from({ length: jobs }, (_, index) => ({ n: String(index) })))
  return added.map(({ id }) => id)
}

test('the only process, frozen past min-idle five times: no delivery is counted, nothing is a dead letter', async () => {
  const stream = 'alone'
  const ids = await queueOf(stream)
  const worker = await startStreamChild(redis.url, stream, RUN)
  try {
    for (let freeze = 0; freeze < 5; freeze++) {
      await until('it holds some', async () => (await pendingOf(stream, worker.consumer)).length > 0)
      worker.process.kill('SIGSTOP')
      await until('past min-idle', async () => (await idleMsOf(stream, worker.consumer)) > 2 * RUN.minIdleMs, 20_000)
      worker.process.kill('SIGCONT')
      const counts = (await pendingOf(stream, worker.consumer)).map(([, , , deliveries]) => deliveries)
      expect(Math.max(...counts)).toBeLessThanOrEqual(1)
      const done = await redis.probe.hlen(`${stream}:handled`)
      await until('it goes on', async () => (await redis.probe.hlen(`${stream}:handled`)) > done, 20_000)
    }
    await assertWhole(stream, ids)
  } finally {
    worker.process.kill('SIGKILL')
  }
}, 120_000)

test('two processes, frozen past min-idle in turns: what was taken over costs nobody a delivery, nothing is a dead letter', async () => {
  const stream = 'in-turns'
  const ids = await queueOf(stream)
  const workers: StreamChild[] = []
  try {
    for (let index = 0; index < 2; index++) workers.push(await startStreamChild(redis.url, stream, RUN))
    for (let freeze = 0; freeze < 6; freeze++) {
      const frozen = workers[freeze % 2] as StreamChild
      if ((await redis.probe.xlen(stream)) < RUN.concurrency) await queueOf(stream).then(more => ids.push(...more))
      await until('it holds some', async () => (await pendingOf(stream, frozen.consumer)).length > 0, 20_000)
      frozen.process.kill('SIGSTOP')
      await until('the other has them', async () => (await pendingOf(stream, frozen.consumer)).length === 0, 20_000)
      frozen.process.kill('SIGCONT')
    }
    await assertWhole(stream, ids)
  } finally {
    for (const { process } of workers) process.kill('SIGKILL')
  }
}, 180_000)

test('a long job that is frozen and taken over six times, among five processes: it is no dead letter', async () => {
  const stream = 'long'
  const ids = await queueOf(stream, 2)
  const workers: StreamChild[] = []
  try {
    for (let index = 0; index < 5; index++)
      workers.push(await startStreamChild(redis.url, stream, { ...RUN, jobMs: 15_000 }))
    for (let freeze = 0; freeze < 6; freeze++) {
      const holders = await Promise.all(workers.map(async ({ consumer }) => (await pendingOf(stream, consumer)).length))
      const frozen = workers[holders.indexOf(Math.max(...holders))] as StreamChild
      frozen.process.kill('SIGSTOP')
      await until('the other has it', async () => (await pendingOf(stream, frozen.consumer)).length === 0, 20_000)
      frozen.process.kill('SIGCONT')
    }
    await assertWhole(stream, ids)
  } finally {
    for (const { process } of workers) process.kill('SIGKILL')
  }
}, 180_000)
