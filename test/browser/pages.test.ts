import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Browser } from 'playwright-core'
import type { Child } from '#local/demo/children.ts'
import { AdminClient, adminUsers } from '../support/admin-client.ts'
import { openBrowser, SCHEMES, Visitor, WIDTHS } from '../support/browser.ts'
import { kafkaMissing, uniqueId } from '../support/stack-env.ts'
import { giftJson, TestSystem } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const PICTURES = join(process.cwd(), '.screenshots')
const EVIL = `<img src=x onerror="globalThis.hacked=1">`

withKafka('the pages in a browser', () => {
  let system: TestSystem
  let browser: Browser
  let admin: Child
  let promotionId: string
  const gifts = 3000

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true })
    system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', WORKER_MAX_IN_FLIGHT: '8' })
    browser = await openBrowser()
    admin = await system.start('admin', { ADMIN_USERS: adminUsers() })
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await system.stop()
  }, 60_000)

  async function publish(id: string, count: number, more: Record<string, unknown> = {}): Promise<string[]> {
    const first = uniqueId()
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    await system.publish(
      'VOUCHER',
      targets.map(targetId => giftJson('VOUCHER', { promotionId: id, promotionSummaryId: id, targetId, ...more })),
    )
    return targets
  }

  test('with nothing yet: every page says so, in both widths and both schemes, without a fault', async () => {
    for (const [width, viewport] of Object.entries(WIDTHS)) {
      for (const colorScheme of SCHEMES) {
        const visitor = await Visitor.open(browser, admin.url, { viewport, colorScheme })
        await visitor.goto('/login')
        expect(await visitor.seriousFaults()).toEqual([])
        await visitor.page.screenshot({ path: join(PICTURES, `login-${width}-${colorScheme}.png`) })
        if (colorScheme === 'light' || width === 'desktop') {
          await visitor.login(width === 'desktop' ? 'otto' : 'vera')
          await visitor.page.getByText('There are no promotions yet').waitFor()
          expect(await visitor.seriousFaults()).toEqual([])
          await visitor.page.screenshot({ path: join(PICTURES, `empty-${width}-${colorScheme}.png`), fullPage: true })
        }
        expect(visitor.faults).toEqual([])
        await visitor.close()
      }
    }
  })

  describe('a promotion that runs', () => {
    let operator: Visitor

    beforeAll(async () => {
      operator = await Visitor.open(browser, (await freshAdmin()).url)
      await operator.login('otto')
    }, 60_000)
    afterAll(() => operator.close())

    // Logins are counted by address and minute.
    async function freshAdmin(): Promise<Child> {
      admin = await system.start('admin', { ADMIN_USERS: adminUsers() })
      return admin
    }

    test('is made, started, paused, resumed and watched to 100 % by an operator, live', async () => {
      const { page } = operator
      promotionId = String(uniqueId())
      await page.getByText('New promotion').click()
      await page.getByLabel('Id').fill(promotionId)
      await page.getByLabel('Name').fill(`Autumn ${EVIL}`)
      await page.getByLabel('Gifts in all').fill(String(gifts))
      await page.getByRole('button', { name: 'Make it' }).click()
      await page.waitForURL(`${admin.url}/promotions/${promotionId}`)
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(`Autumn ${EVIL}`)
      await page.getByText('Not started yet').waitFor()

      await system.control({ latencyMs: 20 })
      await Promise.all([system.start('listener'), system.start('worker')])
      await page.getByRole('button', { name: 'Start', exact: true }).click()
      await page.getByText('Start: done').waitFor()
      const publishing = publish(promotionId, gifts)
      await page.locator('[data-field="success"]', { hasNotText: /^0$/ }).waitFor()
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.locator('.bottlenecks li[data-code="paused"]').waitFor()
      await publishing
      await system.until('nothing moves', async () => {
        const before = (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS
        await new Promise(resolve => setTimeout(resolve, 1500))
        return (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === before
      })
      await page.screenshot({ path: join(PICTURES, 'promotion-paused.png'), fullPage: true })
      await page.getByRole('button', { name: 'Resume' }).click()
      await page.locator('.badge[data-status="COMPLETED"]').waitFor({ timeout: 60_000 })
      await page.locator('[data-field="percent"]', { hasText: '100%' }).waitFor()
      expect(await page.locator('[data-field="success"]').textContent()).toBe('3,000')
      expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined()
      expect(operator.faults).toEqual([])
    })

    test('an UNKNOWN gift is retried from its page, and ends paid; what was stored in it does not run', async () => {
      const [targetId] = await publishInto('IN_PROGRESS', { note: EVIL, partitionKey: EVIL })
      const { page } = operator
      await operator.goto(`/gifts/VOUCHER/${targetId}`)
      await page.getByRole('heading', { name: `Gift ${targetId}` }).waitFor()
      await page.getByText('nobody said whether it was charged').waitFor()
      expect(await page.locator('pre').textContent()).toContain('onerror')
      await page.screenshot({ path: join(PICTURES, 'gift.png'), fullPage: true })
      // The page that the form leads to comes first: a reload in the middle of that finds no page.
      await Promise.all([
        page.waitForEvent('load'),
        page.getByRole('button', { name: 'Retry with the same key' }).click(),
      ])
      await system.until(
        'paid',
        async () => (await system.results.VOUCHER.find(targetId!))?.processStatus === 'SUCCESS',
      )
      await page.reload()
      await page.getByText('charged, money key').waitFor()
      expect(await page.getByRole('button', { name: 'Retry with the same key' }).count()).toBe(0)
      expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined()
      expect(operator.faults).toEqual([])
    })

    async function publishInto(status: string, more: Record<string, unknown>): Promise<string[]> {
      const id = await system.promotion('VOUCHER', status, 100)
      const targets = await publish(id, 1, more)
      await system.until('a row', async () => (await system.results.VOUCHER.find(targets[0]!)) !== undefined)
      await system.until(
        'paid',
        async () => (await system.results.VOUCHER.find(targets[0]!))?.processStatus === 'SUCCESS',
      )
      // As if nobody had said: the charge is there, the row does not know.
      await sql`update campaign_promotion_voucher_result set process_status = 'UNKNOWN', money_key = null,
        error_code = 'TIMEOUT', error_message = ${EVIL} where voucher_target_id = ${targets[0]}::bigint`.execute(
        system.kysely,
      )
      await sql`update campaign_promotion_summary set success_count = 0 where id = ${id}::bigint`.execute(system.kysely)
      return targets
    }

    test('the board: queues, one queue, a job’s page; paused and resumed from there', async () => {
      const { page } = operator
      const busy = await system.promotion('VOUCHER', 'IN_PROGRESS', 100_000)
      await operator.goto('/board')
      await page.getByText(`Autumn ${EVIL}`).first().waitFor()
      const key = encodeURIComponent(`campaign-promotion-${promotionId}:voucher:stream`)
      await page.screenshot({ path: join(PICTURES, 'board.png') })
      await operator.goto(`/board/queue/${key}?status=completed`)
      await page.getByText('SUCCESS').first().waitFor()
      await page.screenshot({ path: join(PICTURES, 'board-queue.png') })
      const { rows } = await sql<{ id: string }>`select voucher_target_id as id from campaign_promotion_voucher_result
        where promotion_id = ${promotionId}::bigint limit 1`.execute(system.kysely)
      await operator.goto(`/board/queue/${key}/${rows[0]!.id}`)
      await page.getByText('idempotencyKey').first().waitFor()
      await page.screenshot({ path: join(PICTURES, 'board-job.png') })

      const paths = `/board/api/queues/${encodeURIComponent(`campaign-promotion-${busy}:voucher:stream`)}`
      for (const [step, status] of [
        ['pause', 'PAUSED'],
        ['resume', 'IN_PROGRESS'],
      ] as const) {
        const code = await page.evaluate(async path => {
          const { document, fetch } = globalThis as unknown as {
            document: { cookie: string }
            fetch: typeof globalThis.fetch
          }
          const token = /XSRF-TOKEN=([^;]+)/.exec(document.cookie)?.[1] ?? ''
          return (await fetch(path, { method: 'PUT', headers: { 'x-xsrf-token': decodeURIComponent(token) } })).status
        }, `${paths}/${step}`)
        expect([step, code]).toEqual([step, 200])
        expect((await system.promotions.find(busy))?.status).toBe(status)
      }
      await page
        .evaluate(() => (globalThis as { hacked?: number }).hacked)
        .then(hacked => expect(hacked).toBeUndefined())
      expect(operator.faults).toEqual([])
    })

    test('the API’s page works under the policy', async () => {
      await operator.goto('/api/docs')
      await operator.page.getByText('/api/promotions').first().waitFor()
      await operator.page.screenshot({ path: join(PICTURES, 'docs.png') })
      expect(operator.faults).toEqual([])
    })

    test('every page in both widths and schemes: no serious fault, nothing wider than the window', async () => {
      const { rows } = await sql<{ id: string }>`select voucher_target_id as id from campaign_promotion_voucher_result
        where promotion_id = ${promotionId}::bigint limit 1`.execute(system.kysely)
      const paths = {
        progress: '/',
        promotion: `/promotions/${promotionId}`,
        gifts: `/promotions/${promotionId}/gifts?status=SUCCESS`,
        gift: `/gifts/VOUCHER/${rows[0]!.id}`,
        audit: '/audit',
        missing: '/promotions/123456789',
      }
      const state = await operator.context.storageState()
      for (const [width, viewport] of Object.entries(WIDTHS)) {
        for (const colorScheme of SCHEMES) {
          const visitor = await Visitor.open(browser, admin.url, { viewport, colorScheme, storageState: state })
          for (const [name, path] of Object.entries(paths)) {
            await visitor.goto(path)
            await visitor.page.waitForTimeout(300)
            const seen = [name, width, colorScheme, await visitor.overflow(), await visitor.seriousFaults()]
            expect(seen).toEqual([name, width, colorScheme, 0, []])
            await visitor.page.screenshot({
              path: join(PICTURES, `${name}-${width}-${colorScheme}.png`),
              fullPage: true,
            })
          }
          expect(visitor.faults.filter(fault => !fault.includes('404'))).toEqual([])
          await visitor.close()
        }
      }
    })

    test('a viewer sees no button, and by keyboard everything is reached', async () => {
      const viewer = await Visitor.open(browser, (await freshAdmin()).url)
      await viewer.login('vera', `/promotions/${promotionId}`)
      expect(await viewer.page.locator('[data-action]').count()).toBe(0)
      await viewer.page.keyboard.press('Tab')
      expect(await viewer.page.locator(':focus').textContent()).toBe('Skip to content')
      await viewer.page.keyboard.press('Enter')
      expect(
        await viewer.page.evaluate(
          () => (globalThis as unknown as { document: { activeElement: { id: string } } }).document.activeElement.id,
        ),
      ).toBe('main')
      expect((await new AdminClient(admin).as('vera')(`/api/promotions/${promotionId}`)).status).toBe(200)
      expect(viewer.faults).toEqual([])
      await viewer.close()
    })
  })
})
