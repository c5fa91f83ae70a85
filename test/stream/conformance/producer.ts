import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { type HighWaterMark, retryLater, StreamQueue } from '#stream/index.ts'
import {
  connection,
  GROUP,
  type Job,
  jobs,
  name,
  otherConnection,
  redis,
  testOnServers,
  work,
} from '../../support/stream-harness.ts'

type Loose = Record<string, string>

const loose = (options: { maxLen?: number } = {}) =>
  new StreamQueue<Loose>(name, { codec: 'flat', connection, group: GROUP, ...options })
const marked = (highWaterMark: HighWaterMark) =>
  new StreamQueue<Job>(name, { codec: 'flat', connection, group: GROUP, highWaterMark })
const length = () => redis.probe.xlen(name)
const statusesOf = async (adding: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(adding)).map(({ status }) => status)

async function texts(): Promise<Loose[]> {
  const found: Loose[] = []
  for await (const fields of loose().entries()) found.push(fields)
  return found
}

function wide(count: number, mark = ''): Loose {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`field-${index}`, `${mark}${index}`]))
}

describe('a high-water mark', () => {
  test('holds for adds that are made together: as many as there is room for, the others refused', async () => {
    const queue = marked({ length: 20, onFull: 'refuse' })
    const statuses = await statusesOf(jobs(200).map(job => queue.add(job)))
    expect(statuses.filter(status => status === 'fulfilled')).toHaveLength(20)
    expect(await length()).toBe(20)
    await expect(queue.add({ n: 'late' })).rejects.toMatchObject({ code: 'STREAM_FULL', canRetry: true, added: [] })
  })

  test('holds for bulks that are made together: each is admitted as a whole, or refused as a whole', async () => {
    const queue = marked({ length: 100, onFull: 'refuse' })
    const statuses = await statusesOf(Array.from({ length: 20 }, (_, index) => queue.addBulk(jobs(30, index * 30))))
    expect(statuses.filter(status => status === 'fulfilled')).toHaveLength(3)
    expect(await length()).toBe(90)
    // What still fits is taken.
    expect(await queue.addBulk(jobs(10))).toHaveLength(10)
  })

  test('holds for adds that wait, and all come in: never longer than the mark', async () => {
    const queue = marked({ length: 20, onFull: 'wait', timeoutMs: 20_000 })
    const lengths: number[] = []
    const seen = new Set<string>()
    const worker = work(
      async ({ fields }) => {
        lengths.push(await length())
        seen.add(fields.n)
      },
      { autorun: false },
    )
    const adding = Promise.all(jobs(150).map(job => queue.add(job)))
    void worker.run()
    await adding
    while (seen.size < 150) await length()
    expect(Math.max(...lengths)).toBeLessThanOrEqual(20)
  })

  test('a bulk longer than the mark comes in by portions, in order', async () => {
    const queue = marked({ length: 20, onFull: 'wait', timeoutMs: 20_000 })
    const seen: string[] = []
    work(({ fields }) => void seen.push(fields.n), { concurrency: 1 })
    const ids = await queue.addBulk(jobs(130))
    expect(new Set(ids).size).toBe(130)
    while (seen.length < 130) await length()
    expect(seen).toEqual(jobs(130).map(({ n }) => n))
  })

  test('a bulk that gets stuck half-way says what it added, and is not to be made again', async () => {
    const queue = marked({ length: 20, onFull: 'wait', timeoutMs: 100 })
    const error: unknown = await queue.addBulk(jobs(50)).catch(thrown => thrown)
    expect(error).toMatchObject({ code: 'STREAM_FULL', canRetry: false, isUncertain: false })
    expect((error as { added: string[] }).added).toHaveLength(20)
    expect(await length()).toBe(20)
  })

  test('a call that waits too long is refused, each by its own time limit, and leaves its place', async () => {
    const queue = marked({ length: 2, onFull: 'wait', timeoutMs: 150 })
    await queue.addBulk(jobs(2))
    const began = performance.now()
    const statuses = await statusesOf(jobs(100).map(job => queue.add(job)))
    expect(new Set(statuses)).toEqual(new Set(['rejected']))
    expect(performance.now() - began).toBeLessThan(4000)
    await redis.probe.xtrim(name, 'MAXLEN', 0)
    await queue.add({ n: 'again' })
    expect(await length()).toBe(1)
  })

  test('a place whose add was refused is free again', async () => {
    const queue = marked({ length: 5, onFull: 'refuse' })
    await redis.onEach(node => node.config('SET', 'maxmemory', '1'))
    const statuses = await statusesOf(jobs(5).map(job => queue.add(job)))
    await redis.onEach(node => node.config('SET', 'maxmemory', '0'))
    expect(new Set(statuses)).toEqual(new Set(['rejected']))
    expect(await statusesOf(jobs(8).map(job => queue.add(job)))).toEqual([
      ...Array(5).fill('fulfilled'),
      ...Array(3).fill('rejected'),
    ])
  })
})

describe('a bulk', () => {
  test('takes what add takes: very wide entries, and many wide ones, in order and exactly', async () => {
    const entries = [wide(5000, 'a'), { n: '1' }, wide(40_000, 'b'), { n: '2' }]
    await loose().addBulk(entries)
    await loose().add(wide(5000, 'c'))
    expect(await texts()).toEqual([...entries, wide(5000, 'c')])
    await loose().obliterate()
    const many = Array.from({ length: 500 }, (_, index) => wide(150, `${index}-`))
    const ids = await loose({ maxLen: 10_000 }).addBulk(many)
    expect(ids).toHaveLength(500)
    expect(await texts()).toEqual(many)
  })

  test('takes values of megabytes', async () => {
    const entries = ['a', 'b', 'c'].map(each => ({ n: each, body: each.repeat(3_000_000) }))
    await loose().addBulk([...entries, { n: 'small', body: '' }])
    expect((await texts()).map(({ n, body }) => [n, body?.length])).toEqual([
      ['a', 3_000_000],
      ['b', 3_000_000],
      ['c', 3_000_000],
      ['small', 0],
    ])
  })

  test('of nothing adds nothing', async () => {
    expect(await loose().addBulk([])).toEqual([])
    expect(await length()).toBe(0)
  })

  test('is refused before anything is sent when one of its entries cannot be added', async () => {
    const bulk = [...jobs(600), {} as Job, ...jobs(1)]
    await expect(loose().addBulk(bulk)).rejects.toMatchObject({ code: 'STREAM_BAD_FIELDS', canRetry: false })
    await expect(loose().addBulk(bulk)).rejects.toThrow('entry 600 has no field')
    expect(await length()).toBe(0)
  })

  testOnServers('that is refused half-way says what was added: adding it again would double that', async () => {
    // The bound of memory is met between two commands: the second is refused.
    const entries = Array.from({ length: 40 }, (_, index) => ({ n: String(index), body: 'x'.repeat(500_000) }))
    await redis.onEach(async node => {
      const used = Number(/^used_memory:(\d+)/m.exec(await node.info('memory'))?.[1])
      await node.config('SET', 'maxmemory', String(used + 10_000_000))
    })
    const error = (await loose()
      .addBulk(entries)
      .catch((thrown: unknown) => thrown)) as { added: string[] }
    await redis.onEach(node => node.config('SET', 'maxmemory', '0'))
    expect(error).toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: false, isUncertain: false })
    expect(error.added.length).toBeGreaterThan(0)
    expect(error.added).toEqual(((await redis.probe.xrange(name, '-', '+')) as [string, string[]][]).map(([id]) => id))
    await loose().addBulk(entries.slice(error.added.length))
    expect((await texts()).map(({ n }) => n)).toEqual(entries.map(({ n }) => n))
  })

  test('refused as a whole (no stream) may be made again: nothing was added', async () => {
    await redis.probe.set(name, 'not a stream')
    for (const adding of [loose().addBulk(jobs(3)), loose().add({ n: '1' })])
      await expect(adding).rejects.toMatchObject({
        code: 'STREAM_ADD_FAILED',
        canRetry: true,
        isUncertain: false,
        added: [],
      })
  })

  test('without an answer may not be made again: it may be there', async () => {
    const impatient = otherConnection({ commandTimeoutMs: 200 })
    await impatient.ready()
    await redis.onEach(node => node.call('CLIENT', 'PAUSE', 800, 'WRITE').catch(() => undefined))
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: impatient })
    await expect(queue.addBulk(jobs(3))).rejects.toMatchObject({ canRetry: false, isUncertain: true, added: [] })
    await impatient.close()
    await queueIsBack()
  })
})

/** The servers are paused for writes no more. */
async function queueIsBack(): Promise<void> {
  await redis.probe.set(`${name}:end`, '1')
}

describe('before the connection is ready', () => {
  test('an add waits for it, and so does whatever else a queue does', async () => {
    const early = otherConnection()
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: early, group: GROUP })
    const [{ id }] = await Promise.all([
      queue.add({ n: '1' }),
      queue.addBulk(jobs(2)),
      queue.ensureGroup(),
      queue.pause(),
    ])
    expect(id).toMatch(/^\d+-\d+$/)
    await early.ready()
    expect([await queue.length(), await queue.isPaused()]).toEqual([3, true])
    await early.close()
  })

  test('ready works after an early add', async () => {
    const early = otherConnection()
    const adding = new StreamQueue<Job>(name, { codec: 'flat', connection: early, group: GROUP }).add({ n: '1' })
    await early.ready()
    await adding
    expect(await length()).toBe(1)
    await early.close()
  })

  for (const [how, why] of [
    ['is not there', /does not answer: /],
    ['never answers', /does not answer: no answer within 3000 ms/],
  ] as const)
    testOnServers(`an add to a server that ${how} is refused within a bound, and may be made again`, async () => {
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const port = how === 'never answers' ? (silent.address() as AddressInfo).port : 1
      const nowhere = otherConnection({ url: `redis://127.0.0.1:${port}`, cluster: false })
      const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: nowhere, group: GROUP })
      const adding = Promise.race([queue.add({ n: '1' }), sleep(12_000, 'it waits on', { ref: false })])
      const message = expect.stringMatching(why)
      await expect(adding).rejects.toMatchObject({ code: 'STREAM_UNREACHABLE', canRetry: true, message })
      await nowhere.close()
      silent.close()
    })
})

test('obliterate takes the pause and the count of the rate limit along', async () => {
  const queue = loose()
  await queue.addBulk(jobs(3))
  await queue.pause()
  await redis.probe.set(`${name}:limiter`, '7')
  await queue.obliterate()
  expect(await Promise.all([name, `${name}:paused`, `${name}:limiter`].map(key => redis.probe.exists(key)))).toEqual([
    0, 0, 0,
  ])
  expect(await queue.isPaused()).toBe(false)
})

test('what is kept alive counts towards the mark', async () => {
  const queue = marked({ length: 5, onFull: 'refuse' })
  work(() => retryLater({ delayMs: 60_000, reason: 'not yet' }))
  await queue.addBulk(jobs(5))
  await expect(queue.add({ n: '6' })).rejects.toMatchObject({ code: 'STREAM_FULL' })
})
