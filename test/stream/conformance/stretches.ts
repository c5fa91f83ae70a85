import { beforeEach, describe, expect, test } from '@jest/globals'
import { ConsumerGroup } from '#stream/group.ts'
import type { Stretch } from '#stream/read-run.ts'
import { until } from '../../support/redis.ts'
import { redisVersion } from '../../support/redis-flavours.ts'
import {
  connection,
  GROUP,
  jobs,
  name,
  pendingOf,
  queueOf,
  redis,
  testOnServers,
  work,
} from '../../support/stream-harness.ts'

/** Acknowledged neighbours are dropped in one piece; nothing else is with them. */

let group: ConsumerGroup

const add = async (...ids: string[]) => {
  for (const id of ids) await redis.probe.xadd(name, id, 'n', id)
}
const readBy = (consumer: string, count: number) =>
  redis.probe.xreadgroup('GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', name, '>')
const acknowledge = (ids: string[], stretch: Stretch) =>
  group.acknowledge({ ids, stretches: [stretch], inside: ids.length })
const left = async () => (await redis.probe.xrange(name, '-', '+')).map(([id]) => id)

describe('a stretch of acknowledged entries', () => {
  beforeEach(async () => {
    group = new ConsumerGroup(connection, { stream: name, group: GROUP, consumer: 'me' })
    await group.ensure()
  })

  test('is deleted, and nothing after it', async () => {
    await add('1-0', '2-0', '3-0', '4-0')
    await readBy('me', 3)
    await acknowledge(['1-0', '2-0', '3-0'], { from: '1-0', to: '3-0' })
    expect([await left(), await pendingOf()]).toEqual([['4-0'], 0])
  })

  test('with what was deleted of it before, and with ids outside of it', async () => {
    await add('1-0', '2-0', '3-0', '4-0', '5-0')
    await readBy('me', 5)
    await acknowledge(['1-0'], { from: '1-0', to: '1-0' })
    await group.acknowledge({ ids: ['2-0', '5-0'], stretches: [{ from: '1-0', to: '2-0' }], inside: 1 })
    expect(await left()).toEqual(['3-0', '4-0'])
  })

  test('takes nothing along that was acknowledged, or lost, before it by others', async () => {
    await add('1-0', '2-0', '3-0', '4-0')
    await readBy('other', 2)
    await redis.probe.xack(name, GROUP, '1-0', '2-0')
    await readBy('me', 2)
    await acknowledge(['3-0', '4-0'], { from: '3-0', to: '4-0' })
    expect(await left()).toEqual(['1-0', '2-0'])
  })

  test('takes nothing along that a server which forgot it has given the same ids to', async () => {
    await add('2-0')
    await acknowledge(['1-0', '3-0'], { from: '1-0', to: '3-0' })
    expect(await left()).toEqual(['2-0'])
    await add('4-0')
    await readBy('other', 2)
    await acknowledge(['1-0', '4-0'], { from: '1-0', to: '4-0' })
    expect([await left(), await pendingOf()]).toEqual([['2-0'], 1])
  })

  test('is kept while a second group was not given it', async () => {
    await redis.probe.xgroup('CREATE', name, 'second', '0')
    await add('1-0', '2-0')
    await readBy('me', 2)
    await acknowledge(['1-0', '2-0'], { from: '1-0', to: '2-0' })
    expect([await left(), await pendingOf()]).toEqual([['1-0', '2-0'], 0])
  })

  testOnServers('is what a worker acknowledges by, in whatever order its handlers end', async () => {
    const calls = async () => {
      let sum = 0
      await redis.onEach(async node => {
        const stats = await node.info('commandstats')
        sum += Number(/^cmdstat_xtrim:calls=(\d+)/m.exec(stats)?.[1] ?? 0)
      })
      return sum
    }
    const before = await calls()
    await queueOf().addBulk(jobs(300))
    work(({ fields }) => new Promise(resolve => setTimeout(resolve, (Number(fields.n) * 7) % 13)), { concurrency: 50 })
    await until('an empty stream', async () => (await left()).length === 0)
    expect((await calls()) > before).toBe(redisVersion() < 8.2)
  })
})
