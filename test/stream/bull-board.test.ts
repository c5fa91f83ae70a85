import { createBullBoard } from '@bull-board/api'
import { FastifyAdapter } from '@bull-board/fastify'
import { afterEach, expect, test } from '@jest/globals'
import fastify, { type FastifyInstance } from 'fastify'
import { StreamQueueAdapter } from '#bull-board/index.ts'
import { deadLetter, StreamQueue, StreamWorker } from '#stream/index.ts'
import { until } from '../support/redis.ts'
import { connection, GROUP, name, redis, useRedis, workers } from '../support/stream-harness.ts'

useRedis()

interface Mail {
  to: string
}

let app: FastifyInstance

afterEach(() => app?.close())

const queueOf = () => new StreamQueue<Mail>(name, { connection, group: GROUP })

/** Another team's board, with this queue on it. */
async function boardOf(
  queue: StreamQueue<Mail>,
): Promise<(path: string, method?: 'GET' | 'PUT' | 'POST') => Promise<Answer>> {
  const serverAdapter = new FastifyAdapter()
  createBullBoard({ queues: [new StreamQueueAdapter(queue, { displayName: 'Mails' })], serverAdapter })
  app = fastify()
  await app.register(serverAdapter.registerPlugin())
  return async (path, method = 'GET') => {
    const { statusCode, body } = await app.inject({ method, url: `/api/queues${path}` })
    return { status: statusCode, json: body === '' ? undefined : JSON.parse(body) }
  }
}

/** As a worker writes one. */
async function aLetter(): Promise<string> {
  const labels = ['_id', '1-1', '_stream', name, '_reason', 'why', '_deliveries', '1']
  return (await redis.probe.xadd(`${name}:dead-letter`, '*', 'data', '{"to":"x"}', ...labels)) as string
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: the board's own answers, of which some parts are looked at.
  json: any
}

interface BoardQueue {
  counts: Record<string, number>
  jobs: { id: string; name: string; data: unknown; failedReason: string }[]
  isPaused: boolean
  displayName: string
}

test('waiting entries, leased ones and dead letters are on the board', async () => {
  const queue = queueOf()
  const ask = await boardOf(queue)
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  await queue.addBulk('welcome', [{ to: 'dead' }, { to: 'leased' }, { to: 'next' }, { to: 'last' }])
  const worker = new StreamWorker<Mail>(
    name,
    async ({ data }) => {
      if (data.to === 'dead') return deadLetter('no such person')
      begun.resolve()
      await gate.promise
      return undefined
    },
    { connection, group: GROUP },
  )
  workers.push(worker as never)
  // The dead one is pending until its letter is written and it is acknowledged.
  await begun.promise
  await until(
    'one is leased',
    async () => (await queue.getJobCounts()).failed === 1 && (await queue.pendingSummary()).count === 1,
  )
  const shown = async (status: string) => {
    const { json } = await ask(`?activeQueue=${name}&status=${status}&page=1&jobsPerPage=10`)
    return (json.queues as BoardQueue[])[0] as BoardQueue
  }
  const failed = await shown('failed')
  expect(failed).toMatchObject({
    displayName: 'Mails',
    counts: { waiting: 2, active: 1, failed: 1 },
    jobs: [{ name: 'welcome', data: { to: 'dead' }, failedReason: 'no such person' }],
  })
  expect((await shown('active')).jobs.map(({ data }) => data)).toEqual([{ to: 'leased' }])
  expect((await shown('waiting')).jobs.map(({ data }) => data)).toEqual([{ to: 'next' }, { to: 'last' }])
  gate.resolve()
})

test('retry replays a dead letter, remove discards it; pause and resume are the queue’s', async () => {
  const queue = queueOf()
  const ask = await boardOf(queue)
  await queue.addBulk([{ to: 'one' }, { to: 'two' }])
  const worker = new StreamWorker<Mail>(name, () => deadLetter('why'), { connection, group: GROUP })
  await until('both are dead letters', async () => (await queue.getJobCounts()).failed === 2)
  await worker.close()
  const [one, two] = (await queue.deadLetters().page()).items
  const path = `/${encodeURIComponent(name)}`
  expect((await ask(`${path}/letter-${one?.id}/retry`, 'PUT')).status).toBeLessThan(300)
  expect((await queue.page()).items.map(({ data }) => data)).toEqual([{ to: 'one' }])
  expect((await ask(`${path}/letter-${one?.id}/retry`, 'PUT')).status).toBe(404)
  expect((await ask(`${path}/letter-${two?.id}/clean`, 'PUT')).status).toBeLessThan(300)
  expect(await queue.getJobCounts()).toEqual({ waiting: 1, active: 0, failed: 0 })
  await ask(`${path}/pause`, 'PUT')
  expect(await queue.isPaused()).toBe(true)
  await ask(`${path}/resume`, 'PUT')
  expect(await queue.isPaused()).toBe(false)
})

test('does what it can and refuses the rest: nothing is lost by a button', async () => {
  const queue = queueOf()
  const adapter = new StreamQueueAdapter(queue)
  const { id } = await queue.add('x', { to: 'ada' })
  const job = await adapter.getJob(id)
  expect(job?.toJSON()).toMatchObject({ id, name: 'x', data: { to: 'ada' } })
  await expect(job?.remove()).rejects.toThrow('removing is not possible')
  await expect(adapter.empty()).rejects.toThrow('cannot be emptied')
  await expect(adapter.clean('completed', 0)).rejects.toThrow('only dead letters')
  expect(await adapter.getJob('no-id')).toBeUndefined()
  const gone = await adapter.getJob(`letter-${await aLetter()}`)
  await queue.discard({})
  await expect(gone?.retry()).rejects.toThrow('it is no dead letter any more')
  const added = await adapter.addJob('y', { to: 'grace' })
  expect(added.toJSON()).toMatchObject({ name: 'y', data: { to: 'grace' } })
  await redis.probe.xgroup('CREATE', name, GROUP, '0')
  await redis.probe.xreadgroup('GROUP', GROUP, 'a', 'COUNT', 1, 'STREAMS', name, '>')
  await expect(adapter.obliterate({ force: false })).rejects.toThrow('workers have 1 entries leased')
  expect(await adapter.getWorkers()).toMatchObject([{ name: 'a (1 entries)' }])
  await adapter.obliterate({ force: true })
  expect(await queue.length()).toBe(0)
})
