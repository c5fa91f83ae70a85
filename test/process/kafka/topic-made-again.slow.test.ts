import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { runCli } from '../../support/cli.ts'
import { kafkaMissing } from '../../support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '../../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('a topic that is deleted and made again under a listener', () => {
  let system: TestSystem
  let running: string
  let stopped: string

  beforeAll(async () => {
    system = await TestSystem.create()
    await Promise.all([system.start('listener'), system.start('worker')])
    running = await system.promotion('VOUCHER', 'IN_PROGRESS')
    stopped = await system.promotion('VOUCHER', 'STOPPED')
  }, 60_000)
  afterAll(() => system.stop())

  async function makeAgain(awayMs: number): Promise<void> {
    const admin = system.kafka.admin()
    await admin.connect()
    const topic = system.topic('VOUCHER')
    await admin.deleteTopics({ topics: [topic] })
    await system.until('it is gone', async () => !(await admin.listTopics()).includes(topic))
    await sleep(awayMs)
    await system.until('it is made again', () =>
      admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4 }] }).then(
        () => true,
        () => false,
      ),
    )
    await admin.disconnect()
  }

  /** So many gifts of each promotion, in one partition, by turns. */
  async function publish(count: number): Promise<string[]> {
    const targets = targetsOf(2 * count)
    await system.publish(
      'VOUCHER',
      targets.map((targetId, index) =>
        giftJson('VOUCHER', { promotionId: index % 2 === 0 ? running : stopped, targetId }),
      ),
    )
    return targets
  }

  async function taken(): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      select voucher_target_id::text as id from campaign_promotion_voucher_result
      union all select target_id::text from campaign_promotion_skipped`.execute(system.kysely)
    return rows.map(({ id }) => id)
  }

  test.each([
    ['with fewer messages than before', 20, 10, 0],
    ['with as many', 10, 20, 0],
    ['with more than before', 10, 60, 0],
    ['after a time without it', 60, 30, 20_000],
  ])(
    '%s: the listener goes on by itself, and no gift is taken for one that stood at its place before',
    async (_, before, after, awayMs) => {
      const known = new Set(await taken())
      const first = await publish(before)
      await system.until('all of the first are taken', async () => {
        const all = new Set(await taken())
        return first.every(id => all.has(id))
      })
      await makeAgain(awayMs)
      const second = await publish(after)
      const missing = async () => {
        const all = new Set(await taken())
        return second.filter(id => !all.has(id))
      }
      await system
        .until('all of the second are taken', async () => (await missing()).length === 0, 60_000)
        .catch(async error => {
          throw new Error(`${(error as Error).message}: ${(await missing()).length} of ${second.length} are missing`)
        })
      expect(await taken()).toHaveLength(known.size + first.length + second.length)
      await system.until('no lag', async () => (await system.lag('voucher', 'VOUCHER')) === 0, 30_000)
      await system.until('paid', async () => (await system.countByStatus(running, 'VOUCHER')).PENDING === 0)
      const audit = await runCli(system.env, 'audit', running, stopped, '--charges', 'api', '--json')
      const report = JSON.parse(audit.stdout) as { counts: Record<string, number>; [sum: string]: unknown }
      // Rows whose messages went with the topics that were deleted: that is told, and nothing else.
      const { SUCCESS: paid } = await system.countByStatus(running, 'VOUCHER')
      expect(report).toMatchObject({ messages: second.length, missing: 0, double: 0, unanswered: 0, chargedOnce: paid })
      expect([audit.code, report.counts]).toEqual([3, { 'row-without-message': paid - second.length / 2 }])
    },
    180_000,
  )
})
