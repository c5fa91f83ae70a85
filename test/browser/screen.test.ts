import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Browser } from 'playwright-core'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { Child } from '#local/demo/children.ts'
import { adminUsers, PASSWORDS } from '../support/admin-client.ts'
import { openBrowser, SCHEMES, Visitor, WIDTHS } from '../support/browser.ts'
import { foreignTexts, seenTexts } from '../support/seen-texts.ts'
import { kafkaMissing, uniqueId } from '../support/stack-env.ts'
import { TestSystem, targetsOf } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const PICTURES = join(process.cwd(), '.screenshots')
const LOCALES = { en: 'en-US', ko: 'ko-KR' } as const

withKafka('the people at the screen', () => {
  let system: TestSystem
  let browser: Browser
  let admin: Child
  const ids = { running: '', ended: '', unknown: '' }
  let unknownTargets: string[] = []
  const sessions = new Map<string, Awaited<ReturnType<Visitor['context']['storageState']>>>()

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true })
    system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', RETRY_MAX_ATTEMPTS: '2' })
    browser = await openBrowser()
    admin = await system.start('admin', { ADMIN_USERS: await adminUsers() })
    ids.running = await promotion('Running', 'IN_PROGRESS', 100)
    ids.ended = await promotion('Ended', 'COMPLETED', 200)
    await sql`update campaign_promotion set started_at = now() - interval '10 minutes', finished_at = now()
      where id = ${ids.ended}::bigint`.execute(system.kysely)
    ids.unknown = await promotion('Unsettled', 'IN_PROGRESS', 3)
    unknownTargets = targetsOf(3)
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, error_message, attempts, enqueued)
      select ${ids.unknown}::bigint, ${ids.unknown}::bigint, target, 'k', 7, 12345, '{}', 'RETRYING', 'HTTP_503', 'busy', 1, true
      from unnest(${unknownTargets}::bigint[]) as t (target)`.execute(system.kysely)
    // As the second attempt leaves them.
    await sql`update campaign_promotion_voucher_result set process_status = 'UNKNOWN', attempts = 2, error_code = 'TIMEOUT',
      error_message = 'no answer' where promotion_id = ${ids.unknown}::bigint`.execute(system.kysely)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await system?.stop()
  }, 60_000)

  async function promotion(name: string, status: string, totalCount: number): Promise<string> {
    const id = await system.promotion('VOUCHER', status, totalCount)
    await sql`update campaign_promotion set name = ${name} where id = ${id}::bigint`.execute(system.kysely)
    return id
  }

  /** Logged in once a language: logins are counted by address and minute. */
  async function visit(language: keyof typeof LOCALES, options: Parameters<Browser['newContext']>[0] = {}) {
    const known = sessions.get(language)
    const visitor = await Visitor.open(browser, admin.url, {
      locale: LOCALES[language],
      ...options,
      ...(known === undefined ? {} : { storageState: known }),
    })
    if (known === undefined) {
      const { frame } = TEXTS[language]
      await visitor.goto('/login')
      await visitor.page.getByLabel(frame.user).fill('otto')
      await visitor.page.getByLabel(frame.password).fill(PASSWORDS.otto)
      await visitor.page.getByRole('button', { name: frame.logIn }).click()
      await visitor.page.waitForURL(`${admin.url}/`)
      sessions.set(language, await visitor.context.storageState())
    }
    return visitor
  }

  const paths = () => ({
    progress: '/',
    running: `/promotions/${ids.running}`,
    ended: `/promotions/${ids.ended}`,
    unsettled: `/promotions/${ids.unknown}`,
    gifts: `/promotions/${ids.unknown}/gifts?status=UNKNOWN`,
    gift: `/gifts/VOUCHER/${unknownTargets[0]}`,
    report: `/promotions/${ids.ended}/report`,
    activity: '/audit',
    runbook: '/runbook',
    rejected: `/promotions/${ids.ended}/rejected`,
    letters: `/promotions/${ids.ended}/dead-letters`,
    nothing: '/?q=no-such-promotion',
    missing: '/promotions/123456789',
  })

  async function lookAt(visitor: Visitor, path: string, foreign: ReadonlySet<string>) {
    await visitor.goto(path)
    await visitor.page.locator('h1').first().waitFor()
    return {
      lang: await visitor.page.locator('html').getAttribute('lang'),
      foreign: (await seenTexts(visitor.page)).filter(text => foreign.has(text)),
      overflow: await visitor.overflow(),
      faults: await visitor.seriousFaults(),
    }
  }

  const looks = LANGUAGES.flatMap(language =>
    (['desktop', 'phone'] as const).flatMap(width => SCHEMES.map(colorScheme => ({ language, width, colorScheme }))),
  )
  test.each(looks)(
    'every page and state, in $language, $width, $colorScheme: without a fault',
    async ({ language, width, colorScheme }) => {
      const visitor = await visit(language, { viewport: WIDTHS[width], colorScheme })
      const foreign = foreignTexts(language)
      for (const [name, path] of Object.entries(paths())) {
        const seen = { name, ...(await lookAt(visitor, path, foreign)) }
        expect(seen).toEqual({ name, lang: language, foreign: [], overflow: 0, faults: [] })
        const file = `${language}-${name}-${width}-${colorScheme}.png`
        await visitor.page.screenshot({ path: join(PICTURES, file), fullPage: true })
      }
      expect(visitor.faults.filter(fault => !fault.includes('404'))).toEqual([])
      await visitor.close()
    },
    120_000,
  )

  test('the switch goes before the browser’s language, and stays', async () => {
    const { page, ...visitor } = await Visitor.open(browser, admin.url, { locale: 'ko-KR' })
    await page.goto(`${admin.url}/login?next=%2Faudit`)
    await page.getByRole('heading', { name: TEXTS.ko.frame.logIn }).waitFor()
    await page.getByRole('link', { name: 'English' }).click()
    await page.getByRole('heading', { name: TEXTS.en.frame.logIn }).waitFor()
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/login?next=%2Faudit')
    await page.reload()
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
    await visitor.context.close()
  })

  test('times are the reader’s own, UTC on hover', async () => {
    const visitor = await visit('en', { timezoneId: 'Asia/Seoul' })
    await visitor.goto(`/gifts/VOUCHER/${unknownTargets[0]}`)
    const time = visitor.page.locator('time[data-is-local]').first()
    await time.waitFor()
    const [iso, text, title] = [
      await time.getAttribute('datetime'),
      await time.textContent(),
      await time.getAttribute('title'),
    ]
    const full = (timeZone: string) =>
      new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', timeZone }).format(new Date(iso!))
    expect([text, title].map(seen => seen!.replaceAll('\u202f', ' '))).toEqual(
      [full('Asia/Seoul'), `${full('UTC')} UTC`].map(seen => seen.replaceAll('\u202f', ' ')),
    )
    await visitor.close()
  })

  test('one that ended without its gifts is not plainly completed, and takes little room', async () => {
    const visitor = await visit('en')
    await visitor.goto('/')
    const card = visitor.page.locator(`[data-promotion="${ids.ended}"]`)
    expect(await card.locator('.badge').textContent()).toBe('Completed: 200 never came')
    expect(await card.locator('.badge').getAttribute('data-look')).toBe('bad')
    expect(await card.locator('[data-causes]').isVisible()).toBe(false)
    // No worker lives: said once, not on each card.
    await visitor.page.locator('#installation li[data-code="no-worker"]').waitFor()
    expect(await visitor.page.locator('.promotions li[data-code="no-worker"]').count()).toBe(0)
    await visitor.close()
  })

  test('a new promotion says the next step; only what applies is offered; what is dangerous wants its name', async () => {
    const visitor = await visit('en')
    const { page } = visitor
    await visitor.goto('/')
    const id = String(uniqueId())
    await page.getByText('New promotion').click()
    await page.getByLabel('Id', { exact: true }).fill(id)
    await page.getByLabel('Name', { exact: true }).fill('Winter')
    await page.getByLabel('Deadline').fill('2031-01-02T03:04')
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.waitForURL(`${admin.url}/promotions/${id}`)
    await page.getByText(`--promotion ${id}`).waitFor()
    expect((await system.promotions.find(id))?.status).toBe('READY')
    expect(await page.locator('[data-time-field="deadline"] time').getAttribute('datetime')).toContain('2031-01-0')
    const offered = () => page.locator('[data-action]:visible').allTextContents()
    expect(await offered()).toEqual(['Start'])
    expect(await page.locator('[data-action="start"]').getAttribute('class')).toContain('main')
    await page.getByText('Not to be done by accident').click()
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    const confirm = page.getByRole('button', { name: 'Do it' })
    expect(await confirm.isDisabled()).toBe(true)
    await page.getByLabel('to confirm').fill('Autumn')
    expect(await confirm.isDisabled()).toBe(true)
    expect(await visitor.seriousFaults()).toEqual([])
    await page.getByLabel('to confirm').fill('Winter')
    await confirm.click()
    await page.getByText('Stop: done').waitFor()
    await page.locator('.badge[data-status="STOPPED"]').waitFor()
    expect((await system.promotions.find(id))?.status).toBe('STOPPED')
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('search by name, state, id and key', async () => {
    const visitor = await visit('en')
    const shown = async (query: string) => {
      await visitor.goto(`/?${query}`)
      return visitor.page
        .locator('[data-promotion]')
        .evaluateAll(cards =>
          cards.map(card => (card as unknown as { dataset: { promotion: string } }).dataset.promotion),
        )
    }
    expect(await shown('q=runn')).toEqual([ids.running])
    expect(await shown(`q=${ids.ended}`)).toEqual([ids.ended])
    expect(await shown('q=ended&status=COMPLETED')).toEqual([ids.ended])
    await visitor.goto(`/?q=VOUCHER:${unknownTargets[0]}`)
    expect(new URL(visitor.page.url()).pathname).toBe(`/gifts/VOUCHER/${unknownTargets[0]}`)
    await visitor.close()
  })

  test('a gift lists its attempts; some of them are chosen and retried together', async () => {
    const visitor = await visit('en')
    const { page } = visitor
    await visitor.goto(`/gifts/VOUCHER/${unknownTargets[0]}`)
    expect(await page.locator('section[aria-labelledby="attempts-title"] tbody tr').count()).toBe(1)
    await page.getByText('no answer in time').waitFor()
    await visitor.goto(`/promotions/${ids.unknown}/gifts?status=UNKNOWN`)
    const retry = page.getByRole('button', { name: 'Retry the selected ones' })
    expect(await retry.isDisabled()).toBe(true)
    await page.getByLabel(`Select gift ${unknownTargets[0]}`).check()
    await page.getByLabel(`Select gift ${unknownTargets[1]}`).check()
    await Promise.all([page.waitForEvent('load'), retry.click()])
    await system.until(
      'two are tried again',
      async () => (await system.countByStatus(ids.unknown, 'VOUCHER')).UNKNOWN === 1,
    )
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('what a promotion did not take is seen with reason and place, and published again while it takes gifts', async () => {
    const [taken] = targetsOf(1)
    const message = JSON.stringify({
      ...{ promotionId: ids.running, promotionSummaryId: '1', voucherTargetId: taken },
      ...{ partitionKey: 'k', memberId: '7', amount: '100' },
    })
    await sql`insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
      values (${system.topic('VOUCHER')}, 1, 7, ${ids.running}::bigint, ${taken}::bigint, 'promotion-stopped', ${message})`.execute(
      system.kysely,
    )
    await system.publish('INVALID', [
      JSON.stringify({
        ...{ topic: 'x', partition: 0, offset: '3', reason: 'target-conflict' },
        valueBase64: Buffer.from(`{"promotionId": ${ids.running}}`).toString('base64'),
      }),
    ])
    const visitor = await visit('en')
    const { page } = visitor
    await visitor.goto(`/promotions/${ids.running}`)
    await page.getByRole('link', { name: '1 message was not taken' }).click()
    // What was read of the topic is kept for ten seconds, for pages that were opened a moment ago too.
    const isTold = () => page.getByText('target-conflict').waitFor({ timeout: 1000 })
    const look = () =>
      isTold().then(
        () => true,
        () => page.reload().then(() => false),
      )
    await system.until('the invalid message is told', look, 45_000)
    await page.getByText('the promotion was stopped').first().waitFor()
    await page.getByText(`${system.topic('VOUCHER')}, partition 1, offset 7`).waitFor()
    expect(await visitor.seriousFaults()).toEqual([])
    await page.screenshot({ path: join(PICTURES, 'rejected.png'), fullPage: true })
    await page.getByLabel('Select all on this page').check()
    await Promise.all([
      page.waitForEvent('load'),
      page.getByRole('button', { name: 'Publish the selected ones again' }).click(),
    ])
    const published = await system.until('it is on its topic', async () => {
      const records = await system.records('VOUCHER')
      return records.find(({ voucherTargetId }) => voucherTargetId === taken)
    })
    expect(published.promotionId).toBe(ids.running)
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('the activity log tells in words what was done, with links', async () => {
    const visitor = await visit('en')
    await visitor.goto('/audit')
    const row = visitor.page.locator('tr', { hasText: 'retried chosen gifts of' }).first()
    expect(await row.getByRole('link').getAttribute('href')).toBe(`/promotions/${ids.unknown}`)
    expect(await row.getByRole('link').textContent()).toBe('Unsettled')
    await visitor.close()
  })

  test('the closing report: made in the background, as a page, JSON and CSV', async () => {
    const visitor = await visit('en')
    const { page } = visitor
    await visitor.goto(`/promotions/${ids.unknown}/report`)
    await page.getByRole('button', { name: 'Make the report' }).click()
    await page.getByRole('heading', { name: 'Gifts by state' }).waitFor({ timeout: 60_000 })
    const unknown = page.locator('section[aria-labelledby="sums-title"] tr', { hasText: 'Unknown' })
    expect(await unknown.locator('td').allTextContents()).toEqual(['1', '12,345'])
    expect(await visitor.seriousFaults()).toEqual([])
    await page.screenshot({ path: join(PICTURES, 'report-made.png'), fullPage: true })
    const csv = await page.request.get(`${admin.url}/api/promotions/${ids.unknown}/report.csv`)
    expect(await csv.text()).toContain('gifts.UNKNOWN.amount,12345\r\n')
    const json = await page.request.get(`${admin.url}/api/promotions/${ids.unknown}/report`)
    expect(await json.json()).toMatchObject({ state: 'done', report: { rows: 3, difference: 0 } })
    await visitor.close()
  })
})
