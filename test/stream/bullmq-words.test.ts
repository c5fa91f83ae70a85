import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, test } from '@jest/globals'
import { type Codec, deadLetter, StreamJob, StreamQueue, StreamWorker } from '#stream/index.ts'
import { until } from '../support/redis.ts'
import { connection, name, redis, useRedis, workers } from '../support/stream-harness.ts'

useRedis()

interface Mail {
  to: string
  cc?: string
  copies?: { count: number }
}

/** Closed with the harness's own. */
function kept<Data, Result, Name extends string>(
  worker: StreamWorker<Data, Result, Name>,
): StreamWorker<Data, Result, Name> {
  workers.push(worker as never)
  return worker
}

test('data is an interface, a typo in it an error of the compiler, and lies as JSON in one field', async () => {
  const queue = new StreamQueue<Mail>(name, { connection })
  const added = await queue.add({ to: 'ada', copies: { count: 2 } })
  // @ts-expect-error: «too» is no field of a mail
  void (() => queue.add({ too: 'ada' }))
  expect(added).toMatchObject({ id: expect.stringMatching(/^\d+-\d+$/), data: { to: 'ada', copies: { count: 2 } } })
  expect(await redis.probe.xrange(name, '-', '+')).toEqual([[added.id, ['data', '{"to":"ada","copies":{"count":2}}']]])
  const worker = kept(new StreamWorker<Mail, string>(name, async ({ data }) => `sent to ${data.to}`, { connection }))
  const [job, result] = (await once(worker, 'completed')) as [{ id: string; data: Mail }, string]
  expect([job.id, job.data, result]).toEqual([added.id, { to: 'ada', copies: { count: 2 } }, 'sent to ada'])
})

test('kinds of job by name, as BullMQ adds them; what another program adds flat comes as its fields', async () => {
  const queue = new StreamQueue(name, { connection })
  await queue.add('welcome', { to: 'ada' })
  await queue.addBulk([{ name: 'bye', data: { to: 'grace' } }])
  await queue.addBulk('news', [{ to: 'linus' }])
  await redis.probe.xadd(name, '*', 'to', 'redis-cli')
  const seen: unknown[] = []
  kept(new StreamWorker(name, job => void seen.push([job.name, job.data]), { connection }))
  await until('all four', () => seen.length === 4)
  expect(seen).toEqual([
    ['welcome', { to: 'ada' }],
    ['bye', { to: 'grace' }],
    ['news', { to: 'linus' }],
    ['__default__', { to: 'redis-cli' }],
  ])
})

test('a bulk in BullMQ’s words may hold text; where names are not kept, that is two fields', async () => {
  const texts = new StreamQueue<string>(name, { connection })
  const flat = new StreamQueue<{ name: string; data: string }>(name, { connection, codec: 'flat' })
  await texts.addBulk([{ name: 'greet', data: 'hello' }])
  await flat.addBulk([{ name: 'greet', data: 'hello' }])
  const rows = await redis.probe.xrange(name, '-', '+')
  expect(rows.map(([, fields]) => fields)).toEqual([
    ['name', 'greet', 'data', '"hello"'],
    ['name', 'greet', 'data', 'hello'],
  ])
})

test('64-bit integers are exact though the program gave BigInt a toJSON', async () => {
  const queue = new StreamQueue<{ ids: bigint[] }>(name, { connection, codec: 'exact-json' })
  const toJson = { value: String, configurable: true }
  Object.defineProperty(BigInt.prototype, 'toJSON', toJson)
  try {
    await queue.add({ ids: [2n ** 63n - 1n] })
  } finally {
    Reflect.deleteProperty(BigInt.prototype, 'toJSON')
  }
  expect((await queue.page()).items).toMatchObject([{ data: { ids: [2n ** 63n - 1n] } }])
})

test('a codec whose decode is async makes a dead letter, and no promise goes unheard', async () => {
  const codec = {
    encode: JSON.stringify,
    decode: async () => {
      throw new Error('not now')
    },
  }
  const queue = new StreamQueue(name, { connection, codec })
  const worker = kept(new StreamWorker(name, () => undefined, { connection, codec }))
  const ended = Promise.race([once(worker, 'failed'), once(worker, 'completed')])
  await queue.add({ to: 'ada' })
  expect(String((await ended)[1])).toMatch(/cannot be decoded: .*decode must not be async/)
  await until('the letter', async () => (await queue.deadLetters().count()) === 1)
})

test('64-bit integers are exact when asked for', async () => {
  const options = { connection, codec: 'exact-json' } as const
  await new StreamQueue(name, options).add({ id: 2n ** 63n - 1n, count: 3, rate: 0.5 })
  const seen: unknown[] = []
  kept(new StreamWorker(name, job => void seen.push(job.data), options))
  await until('it is seen', () => seen.length === 1)
  expect(seen).toEqual([{ id: 2n ** 63n - 1n, count: 3, rate: 0.5 }])
})

test('a codec that throws on the way in makes a dead letter at once; on the way out nothing is sent', async () => {
  const codec: Codec<Mail> = {
    encode: () => {
      throw new Error('not so')
    },
    decode: () => {
      throw new Error('no mail')
    },
  }
  const adding = new StreamQueue<Mail>(name, { connection, codec }).add({ to: 'x' })
  await expect(adding).rejects.toMatchObject({ code: 'STREAM_BAD_FIELDS', message: expect.stringContaining('not so') })
  expect(await redis.probe.exists(name)).toBe(0)
  const queue = new StreamQueue<Mail>(name, { connection })
  await queue.add({ to: 'ada' })
  let handled = 0
  const worker = kept(new StreamWorker<Mail>(name, () => void handled++, { connection, codec }))
  worker.on('active', () => undefined)
  await until('a dead letter', async () => (await queue.getJobCounts()).failed === 1)
  await until('an empty stream', async () => (await queue.length()) === 0)
  expect(handled).toBe(0)
  expect(JSON.stringify(await redis.probe.xrange(`${name}:dead-letter`, '-', '+'))).toContain('no mail')
})

test('attempts and back-off are the worker’s; an UnrecoverableError and a negative pause give up at once', async () => {
  const queue = new StreamQueue<Mail>(name, { connection })
  const seen: [string, number][] = []
  const pauses: number[] = []
  const backoff = (attemptsMade: number) => {
    pauses.push(attemptsMade)
    return attemptsMade === 2 ? -1 : 1
  }
  const handler = ({ data, attemptsMade }: { data: Mail; attemptsMade: number }) => {
    seen.push([data.to, attemptsMade])
    throw Object.assign(new Error(`no ${data.to}`), { name: data.to === 'never' ? 'UnrecoverableError' : 'Error' })
  }
  const worker = kept(new StreamWorker<Mail>(name, handler, { connection, attempts: 9, backoff }))
  const failed: [string | undefined, number | undefined][] = []
  worker.on('failed', job => failed.push([job?.data.to, job?.attemptsMade]))
  await queue.add({ to: 'ada' })
  await queue.add({ to: 'never' })
  await until('both are given up', async () => (await queue.getJobCounts()).failed === 2)
  expect(seen.filter(([to]) => to === 'ada')).toEqual([
    ['ada', 0],
    ['ada', 1],
  ])
  expect(seen.filter(([to]) => to === 'never')).toEqual([['never', 0]])
  // In a listener the run that has just ended is counted, in the handler it is not: as BullMQ does.
  expect(failed.filter(([to]) => to === 'ada').map(([, made]) => made)).toEqual([1, 2])
  expect(failed.filter(([to]) => to === 'never').map(([, made]) => made)).toEqual([1])
  expect(pauses).toEqual([1, 2])
  const { items } = await queue.deadLetters().page()
  expect(new Map(items.map(letter => [letter.data?.to, letter.deliveries]))).toEqual(
    new Map(Object.entries({ ada: 2, never: 1 })),
  )
})

test('attemptsMade reaches attempts in the last failed event, and is 1 in the completed event of a first run', async () => {
  const queue = new StreamQueue<Mail>(name, { connection })
  const [failed, completed]: [number[], number[]] = [[], []]
  const handler = ({ data }: { data: Mail }) => {
    if (data.to === 'ada') throw new Error('no ada')
  }
  const options = { connection, attempts: 3, backoff: 1 }
  const worker = kept(new StreamWorker<Mail>(name, handler, options))
  worker.on('failed', job => failed.push(job?.attemptsMade ?? -1))
  worker.on('completed', job => completed.push(job.attemptsMade))
  await queue.addBulk([{ to: 'ada' }, { to: 'bob' }])
  await until('one is given up', async () => (await queue.getJobCounts()).failed === 1)
  // The last time it is told twice: with the handler’s error, and as a dead letter.
  expect(failed).toEqual([1, 2, 3, 3])
  expect(completed).toEqual([1])
})

test('a limiter in ms: no more than max begin in a window', async () => {
  const queue = new StreamQueue<{ n: number }>(name, { connection })
  await queue.addBulk(Array.from({ length: 6 }, (_, n) => ({ n })))
  const begun: number[] = []
  const limiter = { max: 2, duration: 300 }
  kept(new StreamWorker(name, () => void begun.push(performance.now()), { connection, concurrency: 10, limiter }))
  await until('all six', () => begun.length === 6)
  expect((begun[5] as number) - (begun[0] as number)).toBeGreaterThan(250)
})

test('a connection of its own by host and port or URL, which close ends', async () => {
  const { hostname: host, port } = new URL(redis.url)
  const queue = new StreamQueue<Mail>(name, { connection: { host, port: Number(port) } })
  await queue.waitUntilReady()
  await queue.add({ to: 'ada' })
  const seen: string[] = []
  const worker = new StreamWorker<Mail>(name, ({ data }) => void seen.push(data.to), { connection: redis.url })
  await worker.waitUntilReady()
  await until('it is seen', () => seen.length === 1)
  await until('it is gone', async () => (await queue.length()) === 0)
  expect(await queue.getJobCounts()).toEqual({ waiting: 0, active: 0, failed: 0 })
  await worker.close()
  await queue.close()
  await expect(queue.add({ to: 'late' })).rejects.toMatchObject({ code: 'STREAM_CLOSED' })
})

test('what is left out says what to use instead, and does not compile', async () => {
  const queue = new StreamQueue<Mail>(name, { connection })
  // @ts-expect-error: left out
  await expect(queue.add('welcome', { to: 'ada' }, { delay: 1000 })).rejects.toThrow(/delay is left out: .*BullMQ/)
  // @ts-expect-error: left out
  expect(() => new StreamQueue(name, { connection, prefix: 'x' })).toThrow(/prefix is left out/)
  // @ts-expect-error: left out
  expect(() => new StreamWorker(name, () => undefined, { connection, lockDuration: 1 })).toThrow(/claimMinIdleMs/)
  // @ts-expect-error: left out
  expect(() => queue.upsertJobScheduler('x')).toThrow(/job scheduler/)
})

test('a filter of dead letters with an unknown word is refused: it would mean all', async () => {
  const queue = new StreamQueue(name, { connection })
  const worker = kept(new StreamWorker(name, () => deadLetter('no address'), { connection }))
  const failed = once(worker, 'failed')
  await queue.add({ to: 'ada' })
  await failed
  await until('the letter', async () => (await queue.deadLetters().count()) === 1)
  // @ts-expect-error: no word of a filter
  const outcomes = await Promise.allSettled([queue.discard({ olderThan: 5 }), queue.replay({ id: '1-1' })])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(outcomes).toMatchObject([{ reason: { message: expect.stringContaining('not olderThan; {} means all') } }, {}])
  // As a program without types says it whose setting is missing.
  const nothing = { before: undefined } as object
  await expect(queue.discard(nothing)).rejects.toThrow('before is undefined says nothing; {} means all')
  expect(await queue.deadLetters().count()).toBe(1)
})

test('a worker that is closed while its own connection is not there yet says nothing more', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const called = once(silent, 'connection')
  const { port } = silent.address() as AddressInfo
  const worker = new StreamWorker(name, () => undefined, { connection: { host: '127.0.0.1', port }, autorun: false })
  const errors: unknown[] = []
  worker.on('error', error => errors.push(error))
  const running = worker.run()
  const [socket] = (await called) as [Socket]
  await worker.close()
  await running
  expect(errors).toEqual([])
  socket.destroy()
  silent.close()
})

test('so do events, what lies on the classes, and words that only BullMQ 5 has', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: what a program without types writes.
  const untyped = (value: unknown): any => value
  const worker = untyped(kept(new StreamWorker(name, () => undefined, { connection, autorun: false })))
  for (const listen of ['on', 'once', 'addListener', 'prependListener'])
    expect(() => worker[listen]('progress', () => undefined)).toThrow(
      /event progress is left out: progress is not kept/,
    )
  expect(worker.listenerCount('progress')).toBe(0)
  expect(() => untyped(StreamWorker).RateLimitError()).toThrow(/RateLimitError is left out: return retryLater/)
  expect(() => untyped(StreamJob).create(undefined, 'x', {})).toThrow(/create is left out: use queue.add/)
  const queue = untyped(new StreamQueue(name, { connection }))
  await expect(queue.add('welcome', { to: 'ada' }, { debounce: { id: 'x' } })).rejects.toThrow(/debounce is left out/)
  expect(() => queue.getRepeatableJobs()).toThrow(/getRepeatableJobs is left out: .*job scheduler/)
  await expect(queue.add({ to: 'ada' }, { delay: 1000 })).rejects.toThrow(/delay is left out/)
  await expect(queue.add({ to: 'ada' }, { to: 'grace' })).rejects.toThrow('name must be a string, not an object')
  expect(await queue.length()).toBe(0)
})

test('hooks are called around add and handler, and when an entry is gone', async () => {
  const calls: string[] = []
  const queue = new StreamQueue<Mail>(name, {
    connection,
    hooks: {
      add: (call, run) => {
        calls.push(`add ${call.count}`)
        return run()
      },
    },
  })
  const handle = async (job: { data: Mail }, run: () => unknown) => {
    calls.push(`begin ${job.data.to}`)
    const result = await run()
    calls.push(`end ${result}`)
    return result
  }
  const acknowledged = Promise.withResolvers<readonly string[]>()
  const hooks = { handle, acknowledged: acknowledged.resolve }
  const worker = kept(new StreamWorker<Mail>(name, () => 'sent', { connection, hooks }))
  const completed = once(worker, 'completed')
  const { id } = await queue.add({ to: 'ada' })
  expect((await completed)[1]).toBe('sent')
  expect(calls).toEqual(['add 1', 'begin ada', 'end sent'])
  expect(await acknowledged.promise).toEqual([id])
  expect(await queue.length()).toBe(0)
})
