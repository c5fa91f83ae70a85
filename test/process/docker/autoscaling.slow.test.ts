import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { desiredReplicas, fallbackReplicas, kafkaLagOf, type ScaledTo } from '#test/support/keda.ts'
import { kustomize, objectOf } from '#test/support/kustomize.ts'
import { seriesOf } from '#test/support/metrics-text.ts'
import { evaluatePromql, type Sample } from '#test/support/promql/evaluate.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, type TopicName } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

interface ScaledObjectSpec extends ScaledTo {
  fallback: { replicas: number }
  triggers: { metadata: Record<string, string> }[]
}

const objects = kustomize('docker/k8s/overlays/production')
const specOf = (name: string) => objectOf(objects, 'ScaledObject', `promostream-${name}`).spec as ScaledObjectSpec
const [workerSpec, listenerSpec] = [specOf('worker'), specOf('listener')]

/** What KEDA would ask for, computed by its formula from what a real installation says, situation after situation. */
withKafka('autoscaling', () => {
  let system: TestSystem
  let figures: () => Promise<string>

  beforeAll(async () => {
    system = await TestSystem.create()
    const viewer = new AdminClient(await system.start('admin', { ADMIN_USERS: adminUsers() })).as('vera')
    figures = async () => (await viewer('/metrics')).text
  }, 60_000)
  afterAll(() => system.stop())

  /** Undefined: there is no sample, so KEDA falls back. */
  function workersBy(text: string): number | undefined {
    const [{ metadata }] = workerSpec.triggers as [{ metadata: Record<string, string> }]
    const [sample] = evaluatePromql(metadata.query!, seriesOf(text), 0) as Sample[]
    if (sample === undefined) return undefined
    return desiredReplicas(workerSpec, [{ value: sample.value, threshold: Number(metadata.threshold) }])
  }

  async function lagsOf(topic: string, groupId: string): Promise<number[]> {
    const admin = system.kafka.admin()
    await admin.connect()
    const ends = await admin.fetchTopicOffsets(topic)
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
    await admin.disconnect()
    const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]))
    return ends.map(({ partition, high }) => Number(high) - (at.get(partition) ?? 0))
  }

  async function listeners(): Promise<number> {
    const values = await Promise.all(
      listenerSpec.triggers.map(async ({ metadata }) => {
        const suffix = metadata.consumerGroup!.replace('promostream-', '')
        const name = suffix.toUpperCase().replace('-', '_') as TopicName
        const lags = await lagsOf(system.topic(name), `${system.env.KAFKA_GROUP_ID}-${suffix}`)
        const threshold = Number(metadata.lagThreshold)
        return { value: kafkaLagOf(lags, threshold), threshold }
      }),
    )
    return desiredReplicas(listenerSpec, values)
  }

  /** Rows as a listener leaves them for a promotion whose stream is full. */
  async function rows(promotionId: string, count: number, status: string): Promise<void> {
    await sql`
      insert into campaign_promotion_voucher_result
        (promotion_id, promotion_summary_id, voucher_target_id, partition_key, member_id, amount, process_status, message)
      select ${promotionId}::bigint, ${promotionId}::bigint, number + (select count(*) from campaign_promotion_voucher_result),
        'k', 7, 100, ${status}, '{}'
      from generate_series(1, ${count}) number`.execute(system.kysely)
  }

  const untilSeen = (what: string, promotionId: string, metric: string, value: number) =>
    system.until(what, async () => {
      const seen = seriesOf(await figures()).find(
        ({ labels }) => labels.__name__ === metric && labels.promotion_id === promotionId,
      )
      return seen?.points[0]?.[1] === value
    })

  test('nothing to do: one worker, one listener', async () => {
    await system.until('the admin looked', async () => workersBy(await figures()) !== undefined)
    expect([workersBy(await figures()), await listeners()]).toEqual([1, 1])
  }, 60_000)

  test('messages that nobody has taken: listeners by the lag, as far as there are partitions; workers stay', async () => {
    const producer = system.kafka.producer()
    await producer.connect()
    const send = async (count: number) => {
      const value = giftJson('VOUCHER', { promotionId: '1', targetId: '1' })
      const messages = Array.from({ length: count }, (_, index) => ({ key: String(index), value }))
      await producer.send({ topic: system.topic('VOUCHER'), messages })
    }
    await send(12_001)
    expect([workersBy(await figures()), await listeners()]).toEqual([1, 3])
    await send(12_999)
    expect(await listeners()).toBe(4)
    await producer.disconnect()
  }, 60_000)

  test('gifts of a running promotion: workers by rows and entries; paused, they ask for nobody', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 1_000_000)
    await rows(id, 40_001, 'PENDING')
    await untilSeen('the backlog', id, 'promostream_backlog', 40_001)
    const text = await figures()
    expect(workersBy(text)).toBe(3)
    // A second admin exposes the same: it is one installation.
    expect(workersBy(`${text}\n${text.replaceAll('process="admin"', 'process="admin",instance="b"')}`)).toBe(3)
    await sql`update campaign_promotion set status = 'PAUSED' where id = ${id}::bigint`.execute(system.kysely)
    await untilSeen('the pause', id, 'promostream_in_progress', 0)
    expect(workersBy(await figures())).toBe(1)
  }, 60_000)

  test('only UNKNOWN and RETRYING gifts are left: one worker, which asks about them', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 1_000_000)
    await rows(id, 300, 'UNKNOWN')
    await rows(id, 700, 'RETRYING')
    await untilSeen('the retries', id, 'promostream_retrying', 700)
    expect(workersBy(await figures())).toBe(1)
  }, 60_000)

  test('an admin that is gone is no zero: as many workers as there are, two at least', () => {
    expect(workersBy('')).toBeUndefined()
    expect([fallbackReplicas(workerSpec.fallback, 1), fallbackReplicas(workerSpec.fallback, 7)]).toEqual([2, 7])
  })
})
