import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { clientOf } from '#stream/connection.ts'
import { StreamQueue } from '#stream/index.ts'
import { type LossyProxy, startLossyProxy } from '../../support/lossy-proxy.ts'
import { startTestRedis, type TestRedis, until } from '../../support/redis.ts'
import {
  GROUP,
  type Job,
  jobs,
  name,
  otherConnection,
  connection as own,
  redis,
  work,
} from '../../support/stream-harness.ts'

describe('a master that was demoted', () => {
  let successor: TestRedis
  let proxy: LossyProxy

  beforeAll(async () => {
    successor = await startTestRedis()
  })
  afterAll(() => successor.stop())
  beforeEach(async () => {
    proxy = await startLossyProxy(redis.url)
  })
  afterEach(async () => {
    await redis.probe.call('REPLICAOF', 'NO', 'ONE')
    await until('a master again', async () => /role:master/.test(await redis.probe.info('replication')))
    // The file's own connection has seen a replica as well.
    await until('it is usable again', () => own.isUsable)
    await proxy.stop()
  })

  /** The name leads to the successor; open sockets still lead to the old master, which refuses to be written to. */
  const demote = async () => {
    proxy.leadTo(successor.url)
    const { hostname, port } = new URL(successor.url)
    await redis.probe.call('REPLICAOF', hostname, port)
  }

  test('a worker and a producer go on with its successor, within 10 s', async () => {
    const connection = otherConnection({ url: proxy.url, name: 'demoted' })
    await connection.ready()
    const seen = new Set<string>()
    const worker = work(entry => void seen.add(entry.fields.n), { connection })
    let errors = 0
    worker.on('error', () => void errors++)
    await once(worker, 'ready')
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection, group: GROUP })
    await queue.add({ n: 'before' })
    await until('the one before', () => seen.has('before'))
    await demote()
    const fromMs = performance.now()
    await until(
      'it can be added to',
      () =>
        queue.add({ n: 'after' }).then(
          () => true,
          () => false,
        ),
      10_000,
    )
    await queue.addBulk(jobs(20))
    await until('all done', () => seen.size === 22, 10_000)
    expect(performance.now() - fromMs).toBeLessThan(10_000)
    // Not one for each look at a server that refuses: it is looked for once a second.
    expect(errors).toBeLessThan(40)
    await worker.close()
    await connection.close()
    await successor.probe.flushall()
  }, 40_000)

  test('a connection that only reads, or is idle, notices too: it is not usable while it leads to a replica', async () => {
    const connection = otherConnection({ url: proxy.url, name: 'demoted' })
    await connection.ready()
    const { hostname, port } = new URL(successor.url)
    // The name still leads there.
    await redis.probe.call('REPLICAOF', hostname, port)
    await until('it is not usable', () => !connection.isUsable, 10_000)
    proxy.leadTo(successor.url)
    await until('it is usable', () => connection.isUsable, 10_000)
    expect(await clientOf(connection).info('replication')).toMatch(/role:master/)
    await connection.close()
  }, 40_000)
})
