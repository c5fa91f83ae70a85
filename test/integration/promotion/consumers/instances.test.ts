import { afterEach, describe, expect, test } from '@jest/globals'
import { createInstanceReporter, listInstances } from '#promotion/consumers/instances.ts'
import { createLogger } from '#runtime/logger.ts'
import { type FlavouredRedis, startFlavour } from '#test/support/redis-flavours.ts'
import { slowTest } from '#test/support/slow-test.ts'

let redis: FlavouredRedis | undefined
afterEach(() => redis?.stop())

const INDEX_KEY = 'promostream:instances'

/** Reports as a worker does that has no promotion. */
async function report(probe: FlavouredRedis['probe']) {
  const reporter = createInstanceReporter({
    redis: probe,
    registry: { contexts: [] },
    money: () => ({
      breaker: 'closed',
      credentialsRefused: false,
      rateLimited: false,
      breakerSince: '',
      credentialsRefusedSince: null,
    }),
    slotsMax: 1,
    logger: createLogger('test', 'silent'),
  })
  await reporter.start()
  return reporter
}

/** Of the commands that read the list, how often each was called. */
async function reads(probe: FlavouredRedis['probe']): Promise<Record<string, number>> {
  const stats = await probe.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_(zrange|zrangebyscore|get|mget):calls=(\d+)/gm)]
  return Object.fromEntries(calls.map(([, name, count]) => [name!, Number(count)]))
}

describe('the list of worker processes', () => {
  test('costs two commands, however many workers live and however many died within the hour', async () => {
    redis = await startFlavour('installed')
    const { probe } = redis
    const reporters = await Promise.all([report(probe), report(probe), report(probe), report(probe)])
    const nowMs = Date.now()
    await probe.zadd(INDEX_KEY, ...Array.from({ length: 100 }, (_, n) => [nowMs - 120_000, `dead-${n}`]).flat())
    await probe.zadd(INDEX_KEY, nowMs - 15_000, 'dead-a-moment-ago')
    const names = (await listInstances(probe)).map(({ instance }) => instance)
    expect(names).toEqual(reporters.map(({ instance }) => instance).sort())
    expect(await reads(probe)).toEqual({ zrangebyscore: 1, mget: 1 })

    await Promise.all(reporters.map(reporter => reporter.stop()))
    expect(await listInstances(probe)).toEqual([])
  })

  slowTest(
    'is the same on a cluster, where records lie on different nodes',
    async () => {
      redis = await startFlavour('cluster')
      const { probe } = redis
      const reporters = await Promise.all(Array.from({ length: 6 }, () => report(probe)))
      const names = (await listInstances(probe)).map(({ instance }) => instance)
      expect(names).toEqual(reporters.map(({ instance }) => instance).sort())
      await Promise.all(reporters.map(reporter => reporter.stop()))
    },
    60_000,
  )
})
