import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('rows older than 90 % of MONEY_API_KEY_TTL_MS', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ MONEY_API_KEY_TTL_MS: '2000' })
    await Promise.all([system.start('listener'), system.start('worker')])
  })
  afterAll(() => system.stop())

  test('are asked for by GET before the POST; one that was charged already is not posted again', async () => {
    await system.control({ recordRequests: true })
    const promotionId = await system.promotion('POINT', 'PAUSED')
    const [charged, fresh] = [String(uniqueId() * 10_000n), String(uniqueId() * 10_000n + 1n)]
    await system.publish(
      'POINT',
      [charged, fresh].map(targetId => giftJson('POINT', { promotionId, targetId })),
    )
    await system.until('two rows', async () => (await system.countByStatus(promotionId, 'POINT')).PENDING === 2)
    // Paid by a call of ours whose answer nobody heard, so long ago that its key is forgotten.
    const body = { type: 'POINT', promotionId, targetId: charged, memberId: '7', amount: '100' }
    await fetch(`${system.moneyUrl}/v1/campaign-charges`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-token', 'idempotency-key': `POINT:${charged}` },
      body: JSON.stringify(body),
    })
    await sleep(2000)
    await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${promotionId}::bigint`.execute(
      system.kysely,
    )
    await system.until('both paid', async () => (await system.countByStatus(promotionId, 'POINT')).SUCCESS === 2)

    const ours = (await system.requests()).slice(1)
    const methods = (targetId: string) =>
      ours.filter(({ key }) => key === `POINT:${targetId}`).map(({ method }) => method)
    expect(methods(charged)).toEqual(['GET'])
    expect(methods(fresh)).toEqual(['GET', 'POST'])
    expect(await system.results.POINT.find(charged)).toMatchObject({ processStatus: 'SUCCESS', attempts: 0 })
    expect(await system.charges(promotionId)).toHaveLength(2)
  })
})
