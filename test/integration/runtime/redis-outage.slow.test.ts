import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { createStreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'

const SECRET = 'canary-5b2e'

let stack: AsyncDisposableStack
let redis: TestRedis
let url: string

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  redis = await startTestRedis()
  stack.defer(() => redis.stop())
  await redis.probe.config('SET', 'requirepass', SECRET)
  url = redis.url.replace('://', `://:${SECRET}@`)
})
afterEach(() => stack.disposeAsync())

/** Every line of a logger, as text and as what an operator reads. */
function logBook() {
  const lines: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const told = () =>
    lines
      .map(line => JSON.parse(line) as { level: number; msg: string; awayMs?: number })
      .filter(({ level }) => level > 20)
  return { logger, told, text: () => lines.join('') }
}

async function outage(): Promise<void> {
  redis.server.signal('SIGKILL')
  await redis.server.gone()
  // Attempts enough for a line each, were it one each.
  await new Promise(resolve => setTimeout(resolve, 2000))
  await redis.server.start()
}

test.each(['REDIS_URL', 'REDIS_STREAM_URL'])(
  'an outage of %s is one line when it begins and one when it is over, without its secrets',
  async setting => {
    const { logger, told, text } = logBook()
    if (setting === 'REDIS_URL') {
      const client = createRedisClient({ url, cluster: false, logger })
      stack.defer(() => client.disconnect())
      await connectRedis(client, 5000)
    } else {
      const connection = createStreamConnection({ url, setting, logger })
      stack.defer(() => connection.close())
      await connection.ready()
    }
    const before = told().length
    await outage()
    await until('it is back', () => told().some(({ msg }) => msg.includes('is back')), 20_000)
    const lines = told().slice(before)
    expect(lines.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(new RegExp(`^Redis \\(${setting}\\) is away since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z`)),
      expect.stringMatching(new RegExp(`^Redis \\(${setting}\\) is back after \\d+ s$`)),
    ])
    expect(lines[1]!.awayMs).toBeGreaterThan(1500)
    expect(text()).not.toContain(SECRET)
  },
  40_000,
)

test('a Redis that keeps no append-only file is warned of, once; one that does is not', async () => {
  const warnings = async () => {
    const { logger, told } = logBook()
    const connection = createStreamConnection({ url, setting: 'REDIS_STREAM_URL', logger })
    stack.defer(() => connection.close())
    await connection.ready()
    return told().map(({ msg }) => msg)
  }
  await redis.probe.config('SET', 'appendonly', 'yes')
  expect(await warnings()).toEqual([])
  await redis.probe.config('SET', 'appendonly', 'no')
  expect(await warnings()).toEqual([
    'Redis (REDIS_STREAM_URL) keeps no append-only file: a restart loses what is on its streams',
  ])
})
