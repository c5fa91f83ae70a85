import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { examine } from '#bin/doctor/examine.ts'
import { DoctorRig, expectFault } from '#test/support/doctor-rig.ts'
import { startTestRedis } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('promostream doctor', () => {
  let rig: DoctorRig

  beforeAll(async () => {
    rig = await DoctorRig.create()
  }, 60_000)
  afterAll(() => rig?.stop())

  slowTest(
    'a Redis that deletes by itself, keeps nothing, is a replica, is full, or refuses us',
    async () => {
      const redis = await startTestRedis()
      const at = (url: string) => rig.faults({ REDIS_STREAM_URL: url })
      try {
        expect(await at(redis.url)).toEqual([])
        await redis.probe.config('SET', 'maxmemory-policy', 'allkeys-lru')
        expectFault(await at(redis.url), 'streams', 'eviction', /allkeys-lru may delete a whole stream/, /noeviction/)
        await redis.probe.config('SET', 'maxmemory-policy', 'noeviction')
        await redis.probe.config('SET', 'appendonly', 'no')
        expect(await at(redis.url)).toEqual([expect.objectContaining({ check: 'persistence', status: 'warning' })])
        await redis.probe.config('SET', 'appendonly', 'yes')
        await redis.probe.config('SET', 'maxmemory', '1mb')
        expect(await at(redis.url)).toEqual([expect.objectContaining({ check: 'memory', status: 'warning' })])
        await redis.probe.config('SET', 'maxmemory', '0')
        await redis.probe.replicaof('127.0.0.1', 1)
        expectFault(await at(redis.url), 'streams', 'role', /replica/, /name the master in REDIS_STREAM_URL/)
        await redis.probe.replicaof('NO', 'ONE')
        await redis.probe.config('SET', 'requirepass', 'canary-secret')
        const refused = await at(redis.url)
        expectFault(refused, 'streams', 'connection', /^NOAUTH/, /correct user and password in REDIS_STREAM_URL/)
        const wrong = await at(redis.url.replace('redis://', 'redis://:wrong@'))
        expectFault(wrong, 'streams', 'connection', /^WRONGPASS/, /correct user and password in REDIS_STREAM_URL/)
      } finally {
        await redis.stop()
      }
      expectFault(await at(redis.url), 'streams', 'connection', /ECONNREFUSED/, /start Redis/)
      const cluster = await rig.faults({ REDIS_CLUSTER: 'true' })
      expect(cluster.map(({ area, check }) => [area, check])).toEqual([
        ['redis', 'mode'],
        ['streams', 'mode'],
      ])
    },
    60_000,
  )

  slowTest(
    'a Kafka that is not there',
    async () => {
      const found = await rig.faults({ KAFKA_BROKERS: '127.0.0.1:1' })
      expectFault(found, 'kafka', 'connection', /ECONNREFUSED/, /start Kafka, or correct KAFKA_BROKERS/)
    },
    60_000,
  )

  test('topics that are missing, forget too soon, forget by size, or are compacted', async () => {
    await rig.withTopics({}, async topics => {
      expect(await rig.faults(topics)).toEqual([])
      const found = await rig.faults({ ...topics, KAFKA_TOPIC_POINT: 'never' })
      expectFault(found, 'kafka', 'topics', /^missing: never$/, /restart the processes/)
    })
    await rig.withTopics({ 'retention.ms': '3600000' }, async topics => {
      expectFault(
        await rig.faults(topics),
        'kafka',
        'retention',
        /-voucher keeps messages for 1\.0 hours/,
        /retention\.ms/,
      )
    })
    await rig.withTopics({ 'cleanup.policy': 'compact' }, async topics => {
      expectFault(await rig.faults(topics), 'kafka', 'cleanup', /-voucher is compacted/, /cleanup\.policy/)
    })
    await rig.withTopics({ 'retention.bytes': '1000000' }, async topics => {
      expect(await rig.faults(topics)).toEqual([expect.objectContaining({ check: 'retention', status: 'warning' })])
    })
  }, 60_000)

  slowTest(
    'messages that wait and nobody reads, that were deleted unread, and a topic that was made again',
    async () => {
      await rig.withTopics({}, async topics => {
        const topic = topics.KAFKA_TOPIC_VOUCHER!
        const [targetId] = targetsOf(1)
        const value = giftJson('VOUCHER', { promotionId: '1', targetId })
        await Promise.all([1, 2, 3].map(() => rig.system.events.publish({ topic, key: 'k', value })))
        expectFault(
          await rig.faults(topics),
          'kafka',
          'lag',
          /^3 messages of \S+-voucher wait, and nobody/,
          /start a listener/,
        )
        const admin = rig.system.kafka.admin()
        await admin.connect()
        const groupId = `${topics.KAFKA_GROUP_ID}-voucher`
        const commit = (offset: string) => admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset }] })
        await commit('3')
        expect(await rig.faults(topics)).toEqual([])
        await commit('1')
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
        expectFault(
          await rig.faults(topics),
          'kafka',
          'lag',
          /^2 messages of \S+ were deleted before/,
          /publish them again/,
        )
        await commit('30')
        expectFault(await rig.faults(topics), 'kafka', 'offsets', /beyond the end of 1 partition/, /made again/)
        await admin.disconnect()
      })
    },
    60_000,
  )

  test('a codec that does not work here', async () => {
    const { CompressionCodecs, CompressionTypes } = kafkajs
    await examine(rig.system.env)
    const zstd = CompressionCodecs[CompressionTypes.ZSTD]
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: () => Promise.reject(new Error('no such library')),
      decompress: () => Promise.reject(new Error('no such library')),
    })
    const { findBrokenCodecs } = await import('#kafka/topic-health.ts')
    expect(await findBrokenCodecs()).toEqual(['ZSTD (no such library)'])
    CompressionCodecs[CompressionTypes.ZSTD] = zstd
    expect(await findBrokenCodecs()).toEqual([])
  })
})
