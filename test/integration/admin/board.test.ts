import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

interface BoardQueue {
  name: string
  counts: Record<string, number>
  readOnlyMode: boolean
  isPaused: boolean
  jobs: { id: string; name: string; data: Record<string, unknown> }[]
  globalConcurrency: number | null
}

withKafka('the board', () => {
  let system: TestSystem
  let operator: ReturnType<AdminClient['as']>
  let viewer: ReturnType<AdminClient['as']>
  let client: AdminClient
  let promotionId: string
  let queueName: string

  beforeAll(async () => {
    system = await TestSystem.create()
    const child = await system.start('admin', { ADMIN_USERS: adminUsers() })
    client = new AdminClient(child)
    operator = client.as('otto')
    viewer = client.as('vera')
    promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', 20)
    queueName = `campaign-promotion-${promotionId}:voucher:stream`
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, attempts)
      select ${promotionId}::bigint, 1, ${promotionId}::bigint + n, 'k', n, 100, '{"n":' || n || '}',
        (array['PENDING','RETRYING','SUCCESS','FAILED','UNKNOWN'])[1 + n % 5], 'HTTP_500', 3
      from generate_series(1, 25) n`.execute(system.kysely)
    await sql`insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
      values (${promotionId}::bigint, ${promotionId}::bigint, 5, 5)`.execute(system.kysely)
  }, 60_000)
  afterAll(() => system.stop())

  const queues = async (as: typeof operator, query = '') => {
    const answer = await as(`/board/api/queues?page=1&jobsPerPage=10${query}`)
    expect(answer.status).toBe(200)
    return answer.json.queues as BoardQueue[]
  }
  const queue = async (as: typeof operator, query = '') =>
    (await queues(as, `&activeQueue=${encodeURIComponent(queueName)}${query}`)).find(({ name }) => name === queueName)!
  const put = (as: typeof operator, path: string) =>
    as(`/board/api/queues/${encodeURIComponent(queueName)}/${path}`, { method: 'PUT', body: {} })

  beforeAll(async () => {
    // A snapshot is a second old at most.
    await system.until('the board knows it', async () => (await queue(viewer))?.counts.failed === 10)
  })

  test('a promotion is a queue with right counts, its jobs by state from PostgreSQL, the retry queue first', async () => {
    const [first] = await queues(viewer)
    expect(first?.name).toBe('campaign-promotion-retry')
    const all = await queue(viewer)
    expect(all.counts).toEqual({ waiting: 5, active: 0, delayed: 5, completed: 5, failed: 10 })
    expect(all.jobs).toHaveLength(10)
    const names = async (status: string) => (await queue(viewer, `&status=${status}`)).jobs.map(({ name }) => name)
    expect(new Set(await names('waiting'))).toEqual(new Set(['PENDING']))
    expect(new Set(await names('completed'))).toEqual(new Set(['SUCCESS']))
    expect(new Set(await names('delayed'))).toEqual(new Set(['RETRYING']))
    expect(await names('failed')).toEqual([...Array(5).fill('UNKNOWN'), ...Array(5).fill('FAILED')])
  })

  test('a viewer’s board is read-only, in what it shows and in what it takes', async () => {
    expect((await queues(viewer)).every(({ readOnlyMode }) => readOnlyMode)).toBe(true)
    expect((await queues(operator)).every(({ readOnlyMode }) => readOnlyMode)).toBe(false)
    const forged = { 'x-promostream-role': 'operator' }
    const shown = await viewer('/board/api/queues', { headers: forged })
    expect((shown.json.queues as BoardQueue[])[0]?.readOnlyMode).toBe(true)
    expect((await put(viewer, 'pause')).status).toBe(403)
  })

  test('a job’s page: data, attempts, error, money key; a job of another promotion is not found', async () => {
    const unknown = String(BigInt(promotionId) + 4n)
    const path = `/board/api/queues/${encodeURIComponent(queueName)}/${unknown}`
    const { json } = await viewer(path)
    expect(json).toMatchObject({
      status: 'failed',
      job: { id: unknown, attempts: 3, data: { idempotencyKey: `VOUCHER:${unknown}`, amount: '100' } },
    })
    expect((await viewer(`${path}0`)).status).toBe(404)
    expect(JSON.stringify((await viewer(`${path}/logs`)).json)).toContain('nobody said whether it was charged')
  })

  test.each(['clean/completed', 'clean/failed', 'empty', 'obliterate', 'promote', 'retry/completed', 'rate-limit'])(
    '%s is refused, and leaves every gift',
    async path => {
      const before = await system.countByStatus(promotionId, 'VOUCHER')
      expect((await put(operator, path)).status).toBe(405)
      expect(await system.countByStatus(promotionId, 'VOUCHER')).toEqual(before)
    },
  )

  test('add-job and a job’s removal are refused, on the retry queue too', async () => {
    for (const name of [queueName, 'campaign-promotion-retry']) {
      const path = `/board/api/queues/${encodeURIComponent(name)}`
      expect((await operator(`${path}/add`, { method: 'POST', body: { name: 'x', data: {} } })).status).toBe(405)
      expect((await operator(`${path}/1/clean`, { method: 'PUT', body: {} })).status).toBe(405)
      expect((await operator(`${path}/obliterate`, { method: 'PUT', body: {} })).status).toBe(405)
    }
  })

  test('concurrency set on the board is the promotion’s', async () => {
    const path = `/board/api/queues/${encodeURIComponent(queueName)}/concurrency`
    expect((await operator(path, { method: 'PUT', body: { concurrency: 3 } })).status).toBe(200)
    expect((await system.promotions.find(promotionId))?.consumersPerInstance).toBe(3)
  })

  test('«resume all» leaves alone what was paused by itself, and names it with its reason', async () => {
    const [byItself, byHand] = [
      await system.promotion('POINT', 'PAUSED', 1),
      await system.promotion('POINT', 'PAUSED', 1),
    ]
    const reason = '120 of 130 gifts FAILED within a minute'
    await sql`update campaign_promotion set pause_reason = ${reason} where id = ${byItself}::bigint`.execute(
      system.kysely,
    )
    await system.until('the board knows both', async () => {
      const names = (await queues(operator)).map(({ name }) => name)
      return [byItself, byHand].every(id => names.includes(`campaign-promotion-${id}:point:stream`))
    })
    const resumeAll = () => operator('/board/api/queues/resume', { method: 'PUT', body: {} })
    const answer = await resumeAll()
    expect(answer.status).toBe(409)
    // The board shows a message only beside an error.
    expect(answer.json.error).toBeDefined()
    expect(answer.json.message).toContain(`promotion ${byItself} (${reason})`)
    expect(answer.json.message).not.toContain(byHand)
    const statusOf = async (id: string) => (await system.promotions.find(id))?.status
    expect([await statusOf(byItself), await statusOf(byHand)]).toEqual(['PAUSED', 'IN_PROGRESS'])
    await sql`update campaign_promotion set status = 'STOPPED' where id in (${byItself}::bigint, ${byHand}::bigint)`.execute(
      system.kysely,
    )
    expect((await resumeAll()).status).toBe(200)
  })

  test('a job is retried when it is UNKNOWN; SUCCESS and FAILED refuse', async () => {
    const answers: Record<string, number> = {}
    for (const [offset, state] of [
      [4, 'UNKNOWN'],
      [3, 'FAILED'],
      [2, 'SUCCESS'],
    ] as const) {
      answers[state] = (await put(operator, `${BigInt(promotionId) + BigInt(offset)}/retry`)).status
    }
    expect(answers).toEqual({ UNKNOWN: 204, FAILED: 409, SUCCESS: 409 })
    expect(await system.countByStatus(promotionId, 'VOUCHER')).toMatchObject({ SUCCESS: 5, FAILED: 5 })
  })

  test('its page has nothing inline and nothing from elsewhere', async () => {
    const page = await viewer('/board', { headers: { accept: 'text/html' } })
    expect(page.status).toBe(200)
    expect(page.text).not.toMatch(/https?:\/\/(?!localhost)| style=|<style/)
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
  })
})
