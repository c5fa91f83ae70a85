import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { within } from '#runtime/within.ts'
import { type LossyProxy, startLossyProxy } from '#test/support/lossy-proxy.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { createRetryWorker } from '#workers/retry.worker.ts'

/** A new socket would work at once: it is there within 10 s, and a busy machine gets half as much again, in ms. */
const WORKING_AGAIN_MS = 15_000
const policy = { maxAttempts: 8, baseMs: 1, maxMs: 10 }
const logger = createLogger('test', 'silent')

let stack: AsyncDisposableStack
let redis: TestRedis
let way: LossyProxy

/** Its process has half a second to end after its last test: ioredis gives a socket as long to close. */
const timersNow = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
let timers = 0

beforeEach(async () => {
  timers = timersNow()
  stack = new AsyncDisposableStack()
  redis = await startTestRedis()
  stack.defer(() => redis.stop())
  way = await startLossyProxy(redis.url)
  stack.defer(() => way.stop())
})
afterEach(async () => {
  await stack.disposeAsync()
  await until('no timer is left', () => timersNow() <= timers)
})

async function clientOf(url: string) {
  const client = createRedisClient({ url, cluster: false, logger })
  stack.defer(() => client.disconnect())
  await connectRedis(client, 5000)
  return client
}

async function worksThrough(url: string) {
  const seen: string[] = []
  const process = async (targetId: string) => {
    seen.push(targetId)
    return { kind: 'done' } as const
  }
  const client = await clientOf(url)
  const worker = createRetryWorker({
    connection: client,
    prefix: 'promostream',
    policy,
    processors: { VOUCHER: { process }, POINT: { process } },
    logger,
  })
  await worker.start()
  stack.defer(() => worker.stop(AbortSignal.timeout(1000)))
  const jobs = createRetryJobs({ connection: await clientOf(redis.url), prefix: 'promostream', policy })
  stack.defer(() => jobs.stop())
  await jobs.start()
  const add = (targetId: string, notBefore = 0) =>
    jobs.add([{ data: { type: 'VOUCHER', promotionId: '1', targetId, notBefore }, attempts: 1 }])
  await add('1')
  await until('the first retry', () => seen.includes('1'))
  return { seen, add, worker, client }
}

test('the blocking connection alone goes silent: retries go on within 10 s', async () => {
  const { seen, add } = await worksThrough(way.url)
  await until('it waits for a job', () => way.silenceOf(/bzpopmin/i) === 1)
  await add('2')
  await until('the second retry', () => seen.includes('2'), WORKING_AGAIN_MS)
  expect(seen).toEqual(['1', '2'])
}, 60_000)

test('all its connections go silent while a job is due much later: the next one is done within 10 s', async () => {
  const { seen, add } = await worksThrough(way.url)
  await add('due in an hour', Date.now() + 3_600_000)
  await until('it waits for a job', () => way.silenceOf(/bzpopmin/i) === 1)
  way.silence()
  await add('2')
  await until('the second retry', () => seen.includes('2'), WORKING_AGAIN_MS)
  expect(seen).toEqual(['1', '2'])
}, 60_000)

test('it stops while Redis is away, and what waited for the connection ends with it', async () => {
  const { worker, client } = await worksThrough(way.url)
  await way.stop()
  await until('it waits for its next attempt to connect', () => client.status === 'reconnecting')
  const asked = client.get('a key').catch((error: Error) => error.message)
  const ended = async () => {
    await worker.stop(AbortSignal.timeout(500))
    client.disconnect()
    return asked
  }
  expect(await within(ended(), 5000, () => 'late')).toBe('Connection is closed.')
  await until('the client has ended', () => client.status === 'end')
}, 60_000)
