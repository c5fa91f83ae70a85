import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const MEMBER = '8123456789012345678'

withKafka('no log holds a member’s id, whatever becomes of the gift and however much is logged', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
  })
  afterAll(() => system.stop())

  test('paid, tried again, twice, in conflict, invalid, skipped', async () => {
    const trace = { LOG_LEVEL: 'trace' }
    const children = await Promise.all([system.start('listener', trace), system.start('worker', trace)])
    const [running, stopped] = [
      await system.promotion('VOUCHER', 'IN_PROGRESS'),
      await system.promotion('VOUCHER', 'STOPPED'),
    ]
    const [paid, other, retried, skipped] = targetsOf(4)
    await system.control({ forbid: { keys: [`VOUCHER:${retried}`] } })
    const gift = (promotionId: string, targetId: string | undefined, more: object = {}) =>
      giftJson('VOUCHER', { promotionId, targetId, memberId: MEMBER, partitionKey: `member-${MEMBER}`, ...more })
    await system.publish('VOUCHER', [
      gift(running, paid),
      gift(running, paid),
      gift(running, paid, { amount: '7' }),
      gift(running, other),
      gift(running, retried),
      gift(running, retried, { amount: 'none' }),
      gift(stopped, skipped),
      `{"memberId":${MEMBER},`,
    ])
    await system.until('the invalid ones', async () => (await system.records('INVALID')).length === 3)
    await system.until(
      'paid and UNKNOWN',
      async () => {
        const { SUCCESS, UNKNOWN } = await system.countByStatus(running, 'VOUCHER')
        return SUCCESS === 2 && UNKNOWN === 1
      },
      60_000,
    )
    await Promise.all(children.map(child => child.stop()))
    for (const { logFile } of children) {
      const log = readFileSync(logFile, 'utf8')
      expect(log).toContain('"level"')
      expect(log.split('\n').filter(line => line.includes(MEMBER))).toEqual([])
    }
  }, 180_000)
})
