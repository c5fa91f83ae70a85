import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { clientOf } from '#stream/connection.ts'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { slowTest } from '../../support/slow-test.ts'
import { type Job, jobs, name, otherConnection, pendingOf, queueOf, redis, work } from '../../support/stream-harness.ts'

/** A new socket would work at once: it is there within 10 s, and a busy machine gets half as much again, in ms. */
const REPLACED_MS = 15_000

describe('a connection that is there and does no good is replaced', () => {
  let way: Awaited<ReturnType<typeof redis.proxied>>
  let disturbed: StreamConnection

  beforeEach(async () => {
    way = await redis.proxied()
    disturbed = otherConnection({ ...way.options, name: 'disturbed' })
    await disturbed.ready()
  }, 60_000)
  afterEach(async () => {
    await disturbed.close()
    await way.stop()
  })

  const isDrained = async () => (await redis.probe.xlen(name)) === 0 && (await pendingOf()) === 0

  test.each(['silence', 'halfClose'] as const)(
    '%s: a worker goes on, each entry is done',
    async disturbance => {
      const seen = new Set<string>()
      const worker = work(entry => void seen.add(entry.fields.n), { connection: disturbed })
      worker.on('error', () => undefined)
      await once(worker, 'ready')
      await queueOf().add({ n: 'before' })
      await until('the one before', () => seen.has('before'))
      way[disturbance]()
      await queueOf().addBulk(jobs(50))
      await until('all done', () => seen.size === 51, REPLACED_MS)
      await until('nothing left', isDrained)
      expect(disturbed.isUsable).toBe(true)
      await worker.close()
    },
    30_000,
  )

  slowTest(
    'silence: what is in flight rejects when the socket is replaced, and an idle connection notices by itself',
    async () => {
      const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: disturbed })
      await queue.add({ n: '1' })
      const accepted = way.accepted
      way.silence()
      // Nobody uses it: its own questions stay unanswered.
      await until('new connections', () => way.accepted > accepted, REPLACED_MS)
      await until('it is usable', () => disturbed.isUsable, REPLACED_MS)
      // A cluster is usable all the time, and each of its nodes is noticed by itself: the one that matters may be the last.
      const isAnswered = () => queue.length().then(Boolean, () => false)
      await until('its server answers', isAnswered, REPLACED_MS)
      await queue.add({ n: '2' })
      expect(await redis.probe.xlen(name)).toBe(2)
    },
    60_000,
  )

  test('a server that stands still for two seconds keeps its connection', async () => {
    let lost = 0
    for (const event of ['close', '-node']) clientOf(disturbed).on(event, () => void lost++)
    await redis.onEach(node => node.call('CLIENT', 'PAUSE', 2000, 'ALL'))
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: disturbed })
    await queue.add({ n: '1' })
    expect(lost).toBe(0)
  }, 60_000)
})
