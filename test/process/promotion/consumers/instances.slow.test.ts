import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { listInstances } from '#promotion/consumers/instances.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('workers say what they do', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
  })
  afterAll(() => system.stop())

  test('each is listed with its slots, promotions and answered started events, and is gone after its stop', async () => {
    const promotionId = await system.promotion('POINT', 'READY')
    const [one, other] = await Promise.all([system.start('worker'), system.start('worker')])
    await system.publishStarted(promotionId, 'POINT', 100)
    const instances = await system.until('two that have answered', async () => {
      const listed = await listInstances(system.redis)
      return listed.length === 2 && listed.every(({ startedEvents }) => promotionId in startedEvents) && listed
    })
    expect(instances.map(({ pid }) => pid).sort()).toEqual([one.pid, other.pid].sort())
    expect(instances[0]).toMatchObject({
      breaker: 'closed',
      credentialsRefused: false,
      slotsMax: 1024,
      slotsInUse: 0,
      promotions: [{ promotionId, type: 'POINT', slots: 5, slotsInUse: 0, isPaused: false }],
    })

    await one.stop()
    expect((await listInstances(system.redis)).map(({ pid }) => pid)).toEqual([other.pid])
    process.kill(other.pid, 'SIGKILL')
    await system.until(
      'the record of a killed one expires',
      async () => (await listInstances(system.redis)).length === 0,
    )
  })
})
