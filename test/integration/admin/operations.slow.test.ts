import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

interface InstanceView {
  instance: string
  startedEventAt: string | null
  consumers: { slots: number; isPaused: boolean } | null
}

withKafka('what an operator does reaches the real workers', () => {
  let system: TestSystem
  let operator: ReturnType<AdminClient['as']>

  beforeAll(async () => {
    system = await TestSystem.create()
    const [admin] = await Promise.all([
      system.start('admin', { ADMIN_USERS: adminUsers() }),
      system.start('worker'),
      system.start('worker'),
    ])
    operator = new AdminClient(admin).as('otto')
  }, 90_000)
  afterAll(() => system.stop())

  const instancesOf = async (id: string) =>
    (await operator(`/api/promotions/${id}/instances`)).json as unknown as InstanceView[]
  /** Waits until both workers show it. */
  const both = (id: string, what: string, is: (instance: InstanceView) => boolean) =>
    system.until(what, async () => {
      const instances = await instancesOf(id)
      return instances.length === 2 && instances.every(is)
    })
  const post = (path: string) => operator(path, { method: 'POST', body: {} })

  test('start: both instances answer the broadcast; slots, pause, resume and stop are followed', async () => {
    const id = await system.promotion('VOUCHER', 'READY', 1000)
    await both(id, 'both are known, without consumers', ({ consumers }) => consumers === null)
    expect((await post(`/api/promotions/${id}/start`)).json).toMatchObject({ promotion: { status: 'IN_PROGRESS' } })
    await both(id, 'both have answered', ({ startedEventAt }) => startedEventAt !== null)
    await both(id, 'both have consumers', ({ consumers }) => consumers?.slots === 50)

    const body = { consumersPerInstance: 3 }
    expect((await operator(`/api/promotions/${id}/concurrency`, { method: 'PUT', body })).status).toBe(200)
    await both(id, 'three slots each', ({ consumers }) => consumers?.slots === 3)
    const none = { consumersPerInstance: null }
    await operator(`/api/promotions/${id}/concurrency`, { method: 'PUT', body: none })
    await both(id, 'as its total asks again', ({ consumers }) => consumers?.slots === 50)

    const queue = `/board/api/queues/${encodeURIComponent(`campaign-promotion-${id}:voucher:stream`)}`
    expect((await operator(`${queue}/pause`, { method: 'PUT', body: {} })).status).toBe(200)
    await both(id, 'both paused', ({ consumers }) => consumers?.isPaused === true)
    expect((await operator(`${queue}/resume`, { method: 'PUT', body: {} })).status).toBe(200)
    await both(id, 'both resumed', ({ consumers }) => consumers?.isPaused === false)

    expect((await post(`/api/promotions/${id}/stop`)).status).toBe(200)
    await both(id, 'no consumers any more', ({ consumers }) => consumers === null)
    expect((await post(`/api/promotions/${id}/pause`)).json).toMatchObject({
      status: 409,
      code: 'PROMOTION_WRONG_STATE',
    })
    expect((await post(`/api/promotions/${id}/finish`)).json).toMatchObject({ promotion: { status: 'COMPLETED' } })
    expect((await post(`/api/promotions/${id}/start`)).status).toBe(409)
    expect((await post('/api/promotions/123456789/start')).status).toBe(404)
  }, 90_000)

  test('«pause all» of the board pauses what runs, and leaves the others as they are', async () => {
    const [running, ready] = [
      await system.promotion('POINT', 'IN_PROGRESS', 100),
      await system.promotion('POINT', 'READY', 100),
    ]
    const known = async () => JSON.stringify((await operator('/board/api/queues?page=1&jobsPerPage=10')).json)
    await system.until('the board knows both', async () => {
      const text = await known()
      return text.includes(`-${running}:`) && text.includes(`-${ready}:`)
    })
    expect((await operator('/board/api/queues/pause', { method: 'PUT', body: {} })).status).toBe(200)
    expect((await system.promotions.find(running))?.status).toBe('PAUSED')
    expect((await system.promotions.find(ready))?.status).toBe('READY')
    expect((await operator('/board/api/queues/resume', { method: 'PUT', body: {} })).status).toBe(200)
    expect((await system.promotions.find(running))?.status).toBe('IN_PROGRESS')
    await createErrorBudgetRepository(system.kysely).pause(running, '100 of 100 gifts FAILED')
    expect((await operator('/board/api/queues/resume', { method: 'PUT', body: {} })).status).toBe(409)
    expect((await system.promotions.find(running))?.status).toBe('PAUSED')
    await system.until('the API says why', async () => {
      const { json } = await operator(`/api/promotions/${running}`)
      return (json as { pauseReason?: unknown }).pauseReason === '100 of 100 gifts FAILED'
    })
  })
})
