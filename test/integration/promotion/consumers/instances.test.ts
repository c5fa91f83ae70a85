import { afterEach, describe, expect, test } from '@jest/globals'
import { createInstanceReporter, listInstances } from '#promotion/consumers/instances.ts'
import { createProcessReporter, listReports } from '#promotion/consumers/process-reports.ts'
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

describe('the reports of all processes', () => {
  const put = async (probe: FlavouredRedis['probe'], members: readonly string[]) => {
    for (const [index, member] of members.entries()) {
      await probe.zadd(INDEX_KEY, Date.now() - 1000 + index, member)
      await probe.set(`promostream:instance:${member}`, JSON.stringify({ instance: member.replace('listener:', '') }))
    }
  }

  test('come in the order of their names, workers and listeners apart, whoever reported first', async () => {
    redis = await startFlavour('installed')
    const { probe } = redis
    expect(await listReports(probe)).toEqual({ workers: [], listeners: [], hadListener: false })
    await put(probe, ['c', 'a', 'd', 'b'])
    expect((await listReports(probe)).hadListener).toBe(false)
    await put(probe, ['listener:3', 'listener:1', 'listener:2'])
    const { workers, listeners, hadListener } = await listReports(probe)
    const namesOf = (reports: readonly { instance: string }[]) => reports.map(({ instance }) => instance).join('')
    expect([namesOf(workers), namesOf(listeners), hadListener]).toEqual(['abcd', '123', true])
  })

  test('a listener that has stopped has been there for its minute; a worker that has stopped has not', async () => {
    redis = await startFlavour('installed')
    const { probe } = redis
    for (const kind of ['worker', 'listener'] as const) {
      const reporter = createProcessReporter({ redis: probe, kind, logger: createLogger('test', 'silent') })
      await reporter.start()
      expect(await probe.pttl((await probe.keys('promostream:instance:*'))[0]!)).toBeLessThanOrEqual(3500)
      await reporter.stop()
      expect(await probe.zcard(INDEX_KEY)).toBe(kind === 'worker' ? 0 : 1)
    }
    expect(await listReports(probe)).toEqual({ workers: [], listeners: [], hadListener: true })
  })

  test('names of the dead are forgotten after an hour, not before', async () => {
    redis = await startFlavour('installed')
    const { probe } = redis
    await probe.zadd(INDEX_KEY, Date.now() - 3_700_000, 'long-dead')
    await probe.zadd(INDEX_KEY, Date.now() - 3_500_000, 'dead')
    const reporter = await report(probe)
    expect((await probe.zrangebyscore(INDEX_KEY, '-inf', '+inf')).filter(name => name.endsWith('dead'))).toEqual([
      'dead',
    ])
    await reporter.stop()
  })
})
