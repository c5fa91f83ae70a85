import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { runCli } from '#test/support/cli.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const { streamKey } = GIFT_TYPES.VOUCHER

interface Letters {
  deadLetters: { id: string; reason: string; message: string }[]
  nextAfter: string | null
}

withKafka('dead letters of a promotion', () => {
  let system: TestSystem
  let client: AdminClient
  let operator: ReturnType<AdminClient['as']>
  let viewer: ReturnType<AdminClient['as']>

  beforeAll(async () => {
    system = await TestSystem.create()
    client = new AdminClient(await system.start('admin', { ADMIN_USERS: adminUsers() }))
    operator = client.as('otto')
    viewer = client.as('vera')
  }, 60_000)
  afterAll(() => system.stop())

  const key = (id: string) => `${streamKey(id)}:dead-letter`
  const path = (id: string) => `/api/promotions/${id}/dead-letters`
  const lettersOf = async (id: string) => (await viewer(path(id))).json as unknown as Letters

  /** A promotion with one gift that is UNKNOWN, and dead letters as the framework writes them. */
  async function withLetters(count: number, status = 'IN_PROGRESS'): Promise<string> {
    const id = await system.promotion('VOUCHER', status, 20)
    for (let n = 0; n < count; n++) {
      const labels = ['_id', `1-${n}`, '_stream', streamKey(id), '_reason', n === 0 ? 'poison <b>' : 'result-not-found']
      await system.redis.xadd(key(id), '*', 'key', 'k', 'message', `{"n": ${n}}`, ...labels, '_deliveries', '2')
    }
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, attempts)
      values (${id}::bigint, 1, ${id}::bigint, 'k', 1, 100, '{"n": 0}', 'UNKNOWN', 'POISON', 1)`.execute(system.kysely)
    return id
  }
  const rowOf = async (id: string) =>
    (
      await sql`select * from campaign_promotion_voucher_result where promotion_id = ${id}::bigint`.execute(
        system.kysely,
      )
    ).rows
  const messages = async (id: string) =>
    ((await system.redis.xrange(streamKey(id), '-', '+')) as [string, string[]][]).map(([, fields]) => fields)
  const changes = async (id: string) =>
    ((await viewer('/api/audit')).json.changes as Record<string, string>[])
      .filter(({ target }) => target?.includes(id))
      .map(({ who, what, outcome }) => [who?.replace(/^.*@.*$/, 'cli'), what, outcome])

  test('are listed by page and reason, go back without a row or key being changed, and leave an audit row', async () => {
    const id = await withLetters(3)
    const before = await rowOf(id)
    const { deadLetters, nextAfter } = await lettersOf(id)
    expect([deadLetters.map(({ message }) => message), nextAfter]).toEqual([['{"n": 0}', '{"n": 1}', '{"n": 2}'], null])
    const [first] = deadLetters
    const one = await viewer(`${path(id)}?limit=1&reason=poison`)
    expect((one.json as unknown as Letters).deadLetters).toEqual([first])
    const refused = await viewer(`${path(id)}/replay`, { method: 'POST', body: { ids: [first?.id] } })
    expect(refused.status).toBe(403)
    for (const body of [{}, { ids: [] }, { all: false }, { ids: ['x'] }, { all: true, reason: 'x' }])
      expect((await operator(`${path(id)}/replay`, { method: 'POST', body })).status).toBe(422)
    const replayed = await operator(`${path(id)}/replay`, { method: 'POST', body: { ids: [first?.id, '1-1'] } })
    expect(replayed).toMatchObject({
      status: 200,
      json: { replayed: [{ id: first?.id }], missing: ['1-1'], uncertain: [] },
    })
    expect(await messages(id)).toEqual([['key', 'k', 'message', '{"n": 0}']])
    const discarded = await operator(`${path(id)}/discard`, { method: 'POST', body: { reason: 'not-found' } })
    expect(discarded.json).toEqual({ discarded: 2, missing: [] })
    expect(await lettersOf(id)).toEqual({ deadLetters: [], nextAfter: null })
    expect(await rowOf(id)).toEqual(before)
    expect(await changes(id)).toEqual(
      expect.arrayContaining([
        ['otto', 'dead-letters.replay', '200'],
        ['otto', 'dead-letters.discard', '200'],
      ]),
    )
  })

  test('are not put where nobody reads, and not of a promotion that is none', async () => {
    const id = await withLetters(1, 'COMPLETED')
    const answer = await operator(`${path(id)}/replay`, { method: 'POST', body: { all: true } })
    expect(answer).toMatchObject({ status: 409, json: { code: 'PROMOTION_WRONG_STATE' } })
    expect(
      (await operator('/api/promotions/1/dead-letters/discard', { method: 'POST', body: { all: true } })).status,
    ).toBe(404)
    expect((await lettersOf(id)).deadLetters).toHaveLength(1)
  })

  test('have a page: what a viewer sees, and what an operator’s buttons do', async () => {
    const id = await withLetters(2)
    const page = await viewer(`/promotions/${id}/dead-letters`, { headers: { accept: 'text/html' } })
    expect([page.status, /poison (?!<b>)/.test(page.text), page.text.includes('<button type="submit" aria')]).toEqual([
      200,
      true,
      false,
    ])
    const { cookie, token } = await client.login('otto')
    const shown = await client.ask(`/promotions/${id}/dead-letters`, { headers: { cookie, accept: 'text/html' } })
    expect(shown.text).toContain(`action="/promotions/${id}/dead-letters/replay"`)
    const [first, second] = (await lettersOf(id)).deadLetters
    const press = (action: string, letter: string | undefined, _csrf: string) =>
      client.ask(`/promotions/${id}/dead-letters/${action}`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ _csrf, letter: letter ?? '' }).toString(),
      })
    expect((await press('replay', first?.id, 'wrong')).status).toBe(403)
    expect((await press('replay', first?.id, token)).status).toBe(303)
    expect((await press('discard', second?.id, token)).status).toBe(303)
    expect([await messages(id), (await lettersOf(id)).deadLetters]).toEqual([[['key', 'k', 'message', '{"n": 0}']], []])
  })

  test('are counted', async () => {
    const id = await withLetters(4)
    await system.until('the count is there', async () => {
      const { text } = await viewer('/metrics')
      return new RegExp(`promostream_dead_letters\\{promotion_id="${id}",type="VOUCHER",process="admin"\\} 4`).test(
        text,
      )
    })
  })

  slowTest(
    'by the command line: the same, with an audit row',
    async () => {
      const id = await withLetters(3)
      const run = (...args: string[]) =>
        runCli({ ...system.env, PATH: process.env.PATH ?? '' }, 'dead-letters', ...args)
      const listed = await run('list', id, '--json')
      const { deadLetters } = JSON.parse(listed.stdout) as { deadLetters: { id: string }[] }
      expect(deadLetters).toHaveLength(3)
      expect((await run('list', id, '--reason', 'poison')).stdout).toMatch(
        /^\d+-\d+ .* 2 deliveries {2}poison <b> {2}\{"n": 0\}\n$/,
      )
      expect((await run('replay', id)).code).toBe(2)
      expect((await run('replay', id, 'x')).stderr).toContain('«x» is no id of a dead letter')
      const replayed = await run('replay', id, deadLetters[0]?.id ?? '')
      expect([replayed.code, replayed.stdout]).toEqual([0, `promotion ${id}: 1 dead letters on the stream again\n`])
      expect((await run('replay', id, deadLetters[0]?.id ?? '')).code).toBe(1)
      expect(JSON.parse((await run('discard', id, '--all', '--json')).stdout)).toMatchObject({ done: 2 })
      expect(await messages(id)).toHaveLength(1)
      expect(await changes(id)).toEqual(
        expect.arrayContaining([
          ['cli', 'dead-letters.replay', 'done'],
          ['cli', 'dead-letters.discard', 'done'],
        ]),
      )
    },
    240_000,
  )
})
