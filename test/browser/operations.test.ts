import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { PICTURES, Screen } from '../support/screen.ts'
import { kafkaMissing, uniqueId } from '../support/stack-env.ts'
import { targetsOf } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('what people do at the screen', () => {
  let screen: Screen

  beforeAll(async () => {
    screen = await Screen.open()
  }, 120_000)
  afterAll(() => screen?.close(), 60_000)

  test('a new promotion says the next step; only what applies is offered; what is dangerous wants its name', async () => {
    const visitor = await screen.visit('en')
    const { page } = visitor
    await visitor.goto('/')
    const id = String(uniqueId())
    await page.getByText('New promotion').click()
    await page.getByLabel('Id', { exact: true }).fill(id)
    await page.getByLabel('Name', { exact: true }).fill('Winter')
    await page.getByLabel('Deadline').fill('2031-01-02T03:04')
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.waitForURL(`${screen.admin.url}/promotions/${id}`)
    await page.getByText(`--promotion ${id}`).waitFor()
    expect((await screen.system.promotions.find(id))?.status).toBe('READY')
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
    expect((await screen.system.promotions.find(id))?.status).toBe('STOPPED')
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('search by name, state, id and key', async () => {
    const visitor = await screen.visit('en')
    const shown = async (query: string) => {
      await visitor.goto(`/?${query}`)
      return visitor.page
        .locator('[data-promotion]')
        .evaluateAll(cards =>
          cards.map(card => (card as unknown as { dataset: { promotion: string } }).dataset.promotion),
        )
    }
    expect(await shown('q=runn')).toEqual([screen.ids.running])
    expect(await shown(`q=${screen.ids.ended}`)).toEqual([screen.ids.ended])
    expect(await shown('q=ended&status=COMPLETED')).toEqual([screen.ids.ended])
    await visitor.goto(`/?q=VOUCHER:${screen.unknownTargets[0]}`)
    expect(new URL(visitor.page.url()).pathname).toBe(`/gifts/VOUCHER/${screen.unknownTargets[0]}`)
    await visitor.close()
  })

  test('a gift lists its attempts; some of them are chosen and retried together', async () => {
    const visitor = await screen.visit('en')
    const { page } = visitor
    await visitor.goto(`/gifts/VOUCHER/${screen.unknownTargets[0]}`)
    expect(await page.locator('section[aria-labelledby="attempts-title"] tbody tr').count()).toBe(1)
    await page.getByText('no answer in time').waitFor()
    await visitor.goto(`/promotions/${screen.ids.unknown}/gifts?status=UNKNOWN`)
    const retry = page.getByRole('button', { name: 'Retry the selected ones' })
    expect(await retry.isDisabled()).toBe(true)
    await page.getByLabel(`Select gift ${screen.unknownTargets[0]}`).check()
    await page.getByLabel(`Select gift ${screen.unknownTargets[1]}`).check()
    await Promise.all([page.waitForEvent('load'), retry.click()])
    await screen.system.until(
      'two are tried again',
      async () => (await screen.system.countByStatus(screen.ids.unknown, 'VOUCHER')).UNKNOWN === 1,
    )
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('what a promotion did not take is seen with reason and place, and published again while it takes gifts', async () => {
    const [taken] = targetsOf(1)
    const message = JSON.stringify({
      ...{ promotionId: screen.ids.running, promotionSummaryId: '1', voucherTargetId: taken },
      ...{ partitionKey: 'k', memberId: '7', amount: '100' },
    })
    await sql`insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
      values (${screen.system.topic('VOUCHER')}, 1, 7, ${screen.ids.running}::bigint, ${taken}::bigint, 'promotion-stopped', ${message})`.execute(
      screen.system.kysely,
    )
    await screen.system.publish('INVALID', [
      JSON.stringify({
        ...{ topic: 'x', partition: 0, offset: '3', reason: 'target-conflict' },
        valueBase64: Buffer.from(`{"promotionId": ${screen.ids.running}}`).toString('base64'),
      }),
    ])
    const visitor = await screen.visit('en')
    const { page } = visitor
    await visitor.goto(`/promotions/${screen.ids.running}`)
    await page.getByRole('link', { name: '1 message was not taken' }).click()
    // What was read of the topic is kept for ten seconds, for pages that were opened a moment ago too.
    const isTold = () => page.getByText('target-conflict').waitFor({ timeout: 1000 })
    const look = () =>
      isTold().then(
        () => true,
        () => page.reload().then(() => false),
      )
    await screen.system.until('the invalid message is told', look, 45_000)
    await page.getByText('the promotion was stopped').first().waitFor()
    await page.getByText(`${screen.system.topic('VOUCHER')}, partition 1, offset 7`).waitFor()
    expect(await visitor.seriousFaults()).toEqual([])
    await page.screenshot({ path: join(PICTURES, 'rejected.png'), fullPage: true })
    await page.getByLabel('Select all on this page').check()
    await Promise.all([
      page.waitForEvent('load'),
      page.getByRole('button', { name: 'Publish the selected ones again' }).click(),
    ])
    const published = await screen.system.until('it is on its topic', async () => {
      const records = await screen.system.records('VOUCHER')
      return records.find(({ voucherTargetId }) => voucherTargetId === taken)
    })
    expect(published.promotionId).toBe(screen.ids.running)
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('the activity log tells in words what was done, with links', async () => {
    const visitor = await screen.visit('en')
    await visitor.goto('/audit')
    const row = visitor.page.locator('tr', { hasText: 'retried chosen gifts of' }).first()
    expect(await row.getByRole('link').getAttribute('href')).toBe(`/promotions/${screen.ids.unknown}`)
    expect(await row.getByRole('link').textContent()).toBe('Unsettled')
    await visitor.close()
  })

  test('the closing report: made in the background, as a page, JSON and CSV', async () => {
    const visitor = await screen.visit('en')
    const { page } = visitor
    await visitor.goto(`/promotions/${screen.ids.unknown}/report`)
    await page.getByRole('button', { name: 'Make the report' }).click()
    await page.getByRole('heading', { name: 'Gifts by state' }).waitFor({ timeout: 60_000 })
    const unknown = page.locator('section[aria-labelledby="sums-title"] tr', { hasText: 'Unknown' })
    expect(await unknown.locator('td').allTextContents()).toEqual(['1', '12,345'])
    expect(await visitor.seriousFaults()).toEqual([])
    await page.screenshot({ path: join(PICTURES, 'report-made.png'), fullPage: true })
    const csv = await page.request.get(`${screen.admin.url}/api/promotions/${screen.ids.unknown}/report.csv`)
    expect(await csv.text()).toContain('gifts.UNKNOWN.amount,12345\r\n')
    const json = await page.request.get(`${screen.admin.url}/api/promotions/${screen.ids.unknown}/report`)
    expect(await json.json()).toMatchObject({ state: 'done', report: { rows: 3, difference: 0 } })
    await visitor.close()
  })
})
