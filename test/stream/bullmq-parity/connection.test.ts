import { once } from 'node:events'
import { expect } from '@jest/globals'
import { StreamWorker } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import {
  cutConnections,
  GROUP,
  name,
  otherConnection,
  queueOf,
  redis,
  useRedis,
  work,
} from '../../support/stream-harness.ts'
import { count, NOWHERE, parity } from './parity.ts'
import { OWN_CONNECTION } from './reasons.ts'
import { CONNECTION } from './titles.ts'

useRedis('installed')

parity('connection', CONNECTION, {
  'initializes with default extraOptions when none provided': OWN_CONNECTION,
  'merges provided extraOptions with defaults': OWN_CONNECTION,
  'when skipVersionCheck is set as true › initializes version as minimum': OWN_CONNECTION,
  'blocking option › sets maxRetriesPerRequest to null when blocking is true': OWN_CONNECTION,
  'blocking option › preserves maxRetriesPerRequest when blocking is false': OWN_CONNECTION,
  'clientInfoTag › sets clientInfoTag to bullmq_v{version} by default': OWN_CONNECTION,
  'clientInfoTag › allows custom clientInfoTag override': OWN_CONNECTION,
  'clientInfoTag › does not override clientInfoTag when using existing Redis instance': OWN_CONNECTION,
  'connect() › skips waiting for ready when skipWaitingForReady is true': OWN_CONNECTION,
  'connect() › awaits ready state when skipWaitingForReady is false': OWN_CONNECTION,
  'Queue › propagates skipWaitingForReady to RedisConnection': OWN_CONNECTION,
  'Queue › uses non-blocking connection by default': OWN_CONNECTION,
  'Queue › uses shared connection if provided Redis instance': OWN_CONNECTION,
  'Worker › initializes blockingConnection with blocking: true': OWN_CONNECTION,
  'Worker › sets shared: false for blockingConnection': OWN_CONNECTION,
  'Worker › uses blocking connection by default': OWN_CONNECTION,
  'FlowProducer › uses non-blocking connection': OWN_CONNECTION,
  'FlowProducer › shares connection if provided Redis instance': OWN_CONNECTION,
  'prefix › should throw exception if using prefix with ioredis': OWN_CONNECTION,
  'prefix › should throw exception if using prefix with ioredis in cluster mode': OWN_CONNECTION,
  'blocking › should override maxRetriesPerRequest: null as redis options': OWN_CONNECTION,
  'non-blocking › should not override any redis options': OWN_CONNECTION,
  'establish ioredis connection › should connect with host:port': 'a connection is told by its URL',
  'establish ioredis connection › should fail with invalid host:port': 'a connection is told by its URL',
  'establish ioredis connection › should connect with connection URL': async () => {
    const other = otherConnection()
    await other.ready()
    expect(other.isUsable).toBe(true)
    await other.close()
  },
  'establish ioredis connection › should fail with invalid connection URL': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    await expect(nowhere.ready()).rejects.toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await nowhere.close()
  },
  'when maxmemory-policy is different than noeviction in Redis › throws an error': async () => {
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'volatile-lru'))
    const other = otherConnection()
    await expect(other.ready()).rejects.toMatchObject({ code: 'STREAM_EVICTION' })
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'noeviction'))
    await other.close()
  },
  'when instantiating with a clustered ioredis connection › should not fail when using dsn strings': async () => {
    const other = otherConnection({ cluster: true })
    expect(other.isCluster).toBe(true)
    await other.close()
  },
  'should close worker even if redis is down': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    const worker = new StreamWorker(name, () => undefined, { connection: nowhere, group: GROUP })
    const errors = count(worker, 'error')
    await until('an error', () => errors() > 0)
    await worker.close()
    await nowhere.close()
  },
  'should close underlying redis connection when closing fast': async () => {
    const other = otherConnection()
    await other.ready()
    await other.close()
    await until('it has ended', () => other.state === 'end')
  },
  'should recover from a connection loss': async () => {
    const worker = work(() => undefined)
    const done = count(worker, 'completed')
    await until('it runs', () => worker.lastPollAt > 0)
    await cutConnections()
    await until('an add works again', () =>
      queueOf()
        .add({ n: '1' })
        .then(
          () => true,
          () => false,
        ),
    )
    await until('completed', () => done() >= 1)
  },
  'should handle jobs added before and after a redis disconnect': async () => {
    const seen = new Set<string>()
    work(({ fields }) => void seen.add(fields.n))
    await queueOf().add({ n: 'before' })
    await until('the first', () => seen.has('before'))
    await cutConnections()
    await until('an add works again', () =>
      queueOf()
        .add({ n: 'after' })
        .then(
          () => true,
          () => false,
        ),
    )
    await until('the second', () => seen.has('after'))
  },
  'should fail if redis connection fails': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    await expect(nowhere.ready()).rejects.toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await nowhere.close()
  },
  'should emit error if redis connection fails': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    const worker = new StreamWorker(name, () => undefined, { connection: nowhere, group: GROUP })
    const [error] = (await once(worker, 'error')) as [Error]
    expect(error).toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await worker.close()
    await nowhere.close()
  },
  'should close if connection has failed': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    await expect(nowhere.ready()).rejects.toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await nowhere.close()
  },
  'should close if connection is failing': async () => {
    const nowhere = otherConnection({ url: NOWHERE })
    const failing = nowhere.ready().catch((error: unknown) => error)
    await nowhere.close()
    expect(await failing).toMatchObject({ code: 'STREAM_UNREACHABLE' })
  },
})
