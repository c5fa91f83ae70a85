import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import { sealPromotion } from '#promotion/seal/seal.ts'
import { readSeal, type SignedStatement } from '#promotion/seal/statement.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { runCli } from '#test/support/cli.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const TOTAL = 1_000_000

withKafka('what is promised about a promotion', () => {
  let system: TestSystem
  let child: Child
  let viewer: ReturnType<AdminClient['as']>
  let authorization: string

  beforeAll(async () => {
    system = await TestSystem.create()
    child = await system.start('admin', { ADMIN_USERS: adminUsers() })
    const client = new AdminClient(child)
    viewer = client.as('vera')
    authorization = `Basic ${Buffer.from('vera:canary-viewer-password').toString('base64')}`
  }, 60_000)
  afterAll(() => system.stop())

  /** The first event of a promotion's page. */
  async function event(id: string): Promise<{ promotions: { text: Record<string, string> }[] }> {
    const aborted = new AbortController()
    const url = `${child.url}/api/events?promotion=${id}`
    const { body } = await fetch(url, { headers: { authorization }, signal: aborted.signal })
    let text = ''
    for await (const chunk of body!) {
      text += Buffer.from(chunk).toString()
      if (/^data: .*\n\n/m.test(text)) break
    }
    aborted.abort()
    return JSON.parse(/^data: (.*)$/m.exec(text)![1]!)
  }

  test('its verdict: the same by API, page, event, metric, log and command line', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', TOTAL)
    await sql`update campaign_promotion set deadline_at = now() + interval '1 minute' where id = ${id}::bigint`.execute(
      system.kysely,
    )
    await sql`insert into campaign_promotion_summary (id, promotion_id) values (${id}::bigint, ${id}::bigint)`.execute(
      system.kysely,
    )
    // Some 100 gifts a second: hours too late.
    let isOver = false
    const paid = (async () => {
      while (!isOver) {
        await sql`update campaign_promotion_summary set success_count = success_count + 10 where id = ${id}::bigint`.execute(
          system.kysely,
        )
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    })()
    const no = /^No, .* too late: /
    try {
      const { verdict } = await system.until('a verdict', async () => {
        const { json } = await viewer(`/api/promotions/${id}`)
        return json.verdict !== null && (json as { verdict: { isInTime: boolean; spareS: number } })
      })
      expect(verdict).toMatchObject({ isInTime: false, spareS: expect.any(Number) })
      expect(verdict.spareS).toBeLessThan(-600)
      expect((await viewer(`/promotions/${id}`)).text).toMatch(/data-field="verdict"[^>]*>\s*No, /)
      expect((await event(id)).promotions[0]?.text.verdict).toMatch(no)
      const metric = new RegExp(`^promostream_deadline_spare_seconds\\{[^}]*promotion_id="${id}"[^}]*\\} -\\d+$`, 'm')
      expect((await viewer('/metrics')).text).toMatch(metric)
      expect(readFileSync(child.logFile, 'utf8')).toContain(`promotion ${id} will be late, as things go now`)

      const status = await runCli({ PATH: process.env.PATH, DATABASE_URL: system.env.DATABASE_URL }, 'status', id)
      expect(status.stdout).toMatch(/\n {2}deadline: 20\S+Z; likely end: 20\S+Z; in time\? No, .* too late: \d+\/s\n/)
      const json = await runCli({ PATH: process.env.PATH, DATABASE_URL: system.env.DATABASE_URL }, 'status', '--json')
      const listed = JSON.parse(json.stdout) as { id: string; verdict?: { isInTime: boolean }; inTime?: string }[]
      expect(listed.find(each => each.id === id)).toMatchObject({
        verdict: { isInTime: false },
        inTime: expect.stringMatching(no),
      })
    } finally {
      isOver = true
      await paid
    }
    const still = await runCli({ PATH: process.env.PATH, DATABASE_URL: system.env.DATABASE_URL }, 'status', id)
    expect(still.stdout).toMatch(/in time\? nothing moves\n/)
  }, 120_000)

  test('its weight: 1 where nobody said, and a whole number up to 1000', async () => {
    const operator = new AdminClient(child).as('otto')
    const create = (id: string, more: object) =>
      operator('/api/promotions', { method: 'POST', body: { id, type: 'POINT', ...more } })
    expect((await create('71', {})).json.weight).toBe(1)
    expect((await create('72', { weight: 1000 })).json.weight).toBe(1000)
    expect((await viewer('/api/promotions/72')).json.weight).toBe(1000)
    for (const weight of [0, 1001, 1.5, null]) expect((await create('73', { weight })).status).toBe(422)
  })

  test('its seal: as it was signed, once it has one', async () => {
    const id = await system.promotion('VOUCHER', 'COMPLETED', 0)
    const none = await viewer(`/api/promotions/${id}/seal`)
    expect([none.status, none.json.code]).toEqual([404, 'PROMOTION_NOT_SEALED'])
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const root = await sealPromotion(system.kysely, { id, type: 'VOUCHER' }, pem)
    const { status, json } = await viewer(`/api/promotions/${id}/seal`)
    expect(status).toBe(200)
    expect(readSeal(json as unknown as SignedStatement)).toMatchObject({ promotionId: id, root, gifts: '0' })
    expect(json.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect((await viewer('/api/promotions/404404/seal')).json.code).toBe('PROMOTION_NOT_FOUND')
  })
})
