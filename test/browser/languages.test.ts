import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Page } from 'playwright-core'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { Screen } from '../support/screen.ts'
import { kafkaMissing, uniqueId } from '../support/stack-env.ts'
import { targetsOf } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** What an operator does, in both languages: by the words that stand on the page. */
withKafka.each(LANGUAGES)('what people do at the screen, in %s', language => {
  let screen: Screen
  const { promotion: t, gift, frame, activity } = TEXTS[language]

  beforeAll(async () => {
    screen = await Screen.open()
  }, 120_000)
  afterAll(() => screen?.close(), 60_000)

  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

  test('a new promotion leads to its page and says the next step, ready to copy; stopping it wants its name', async () => {
    const visitor = await screen.visit(language, { permissions: ['clipboard-read', 'clipboard-write'] })
    const { page } = visitor
    const id = String(uniqueId())
    await visitor.goto('/')
    await page.getByText(t.newPromotion).click()
    await page.getByLabel(t.id, { exact: true }).fill(id)
    await page.getByLabel(t.name, { exact: true }).fill('Winter & "Co"')
    await page.getByLabel(t.totalLabel).fill('3')
    await page.getByLabel(t.weightLabel).fill('7')
    await button(page, t.create).click()
    await page.waitForURL(`${screen.admin.url}/promotions/${id}`)
    expect((await screen.system.promotions.find(id))?.weight).toBe(7)
    await page.getByRole('heading', { name: t.nextStep }).waitFor()
    const command = `npm run promostream -- publish --file gifts.csv --type VOUCHER --promotion ${id} --summary ${id}`
    expect(await page.locator('[data-copied]').textContent()).toBe(command)
    await button(page, t.copy).click()
    await button(page, t.copied).waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(command)

    await page.getByText(t.dangerous).click()
    await button(page, t.actions.stop).click()
    const [confirm, name] = [button(page, t.confirm), page.getByLabel(t.typeName('Winter & "Co"'))]
    expect(await confirm.isDisabled()).toBe(true)
    await name.fill('Winter')
    expect(await confirm.isDisabled()).toBe(true)
    await button(page, t.cancel).click()
    await name.waitFor({ state: 'hidden' })
    expect((await screen.system.promotions.find(id))?.status).toBe('READY')
    await button(page, t.actions.stop).click()
    expect(await name.inputValue()).toBe('')
    await name.fill('Winter & "Co"')
    await confirm.click()
    await page.getByText(`${t.actions.stop}: ${frame.done}`).waitFor()
    await page.locator('.badge[data-status="STOPPED"]').waitFor()
    await visitor.goto('/audit')
    const row = page.locator('tbody tr').first()
    expect((await row.locator('td').nth(1).textContent())?.trim()).toBe(
      activity.acts['promotion.stop']?.('Winter & "Co"'),
    )
    expect(await row.getByRole('link').getAttribute('href')).toBe(`/promotions/${id}`)
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('promotions by id, name, key and state, from the form', async () => {
    const visitor = await screen.visit(language)
    const { page } = visitor
    const { ids, unknownTargets } = screen
    const find = async (text: string, status = '') => {
      await visitor.goto('/')
      await page.getByLabel(t.search).fill(text)
      await page.getByLabel(gift.state).selectOption(status)
      await Promise.all([page.waitForEvent('load'), button(page, t.find).click()])
      const cards = page.locator('[data-promotion]')
      return cards.evaluateAll(all =>
        all.map(card => (card as unknown as { dataset: { promotion: string } }).dataset.promotion),
      )
    }
    expect(await find('UNSETT')).toEqual([ids.unknown])
    expect(await find(ids.ended)).toEqual([ids.ended])
    expect(await find('', 'COMPLETED')).toEqual([ids.ended])
    expect(await find('running', 'COMPLETED')).toEqual([])
    await page.getByText(t.nothingFound).waitFor()
    await find(`VOUCHER:${unknownTargets[0]}`)
    expect(new URL(page.url()).pathname).toBe(`/gifts/VOUCHER/${unknownTargets[0]}`)
    await visitor.close()
  })

  test('gifts by state, member, key and error; chosen ones are retried together, and only those', async () => {
    const { ids, unknownTargets, system } = screen
    const [other] = targetsOf(1)
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, attempts, enqueued)
      values (${ids.unknown}::bigint, ${ids.unknown}::bigint, ${other}::bigint, 'key & more', 8, 5, '{}', 'FAILED', 'HTTP_422', 1, true)`.execute(
      system.kysely,
    )
    const visitor = await screen.visit(language)
    const { page } = visitor
    const list = `/promotions/${ids.unknown}/gifts`
    const shown = async (label: string, value: string) => {
      await visitor.goto(list)
      const field = page.locator('form.card').getByLabel(label, { exact: true })
      if (label === gift.state) await field.selectOption(value)
      else await field.fill(value)
      await Promise.all([page.waitForEvent('load'), button(page, gift.show).click()])
      return (await page.locator('tbody th a').allTextContents()).sort()
    }
    const unknown = [...unknownTargets].sort()
    expect(await shown(gift.memberId, '8')).toEqual([other])
    expect(await shown(gift.memberId, '7')).toEqual(unknown)
    expect(await shown(gift.partitionKey, 'key & more')).toEqual([other])
    expect(await shown(gift.errorCode, 'HTTP_422')).toEqual([other])
    expect(await shown(gift.state, 'UNKNOWN')).toEqual(unknown)
    // A final one cannot be chosen.
    await visitor.goto(list)
    expect(await page.locator('[data-select]').count()).toBe(3)
    const retry = button(page, gift.retrySelected)
    expect(await retry.isDisabled()).toBe(true)
    for (const target of unknown.slice(0, 2)) await page.getByLabel(gift.selectGift(target)).check()
    await Promise.all([page.waitForEvent('load'), retry.click()])
    await system.until(
      'two are tried again',
      async () => (await system.countByStatus(ids.unknown, 'VOUCHER')).UNKNOWN === 1,
    )
    expect((await system.results.VOUCHER.find(unknown[2]!))?.processStatus).toBe('UNKNOWN')
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  test('a promotion’s whole life is drawn from the minutes that every admin process wrote', async () => {
    const { ids, system } = screen
    await sql`insert into campaign_promotion_minute (promotion_id, minute, done, total, slots_in_use)
      select ${ids.ended}::bigint, date_trunc('minute', now()) - interval '3 hours' + n * interval '1 minute', least(n * 600, 60000), 60000, 5
      from generate_series(0, 120) n`.execute(system.kysely)
    const visitor = await screen.visit(language)
    const { page } = visitor
    await visitor.goto(`/promotions/${ids.ended}`)
    const plot = page.locator('[data-plot="rate"]')
    await page.locator(`[data-plot="rate"][aria-label*="${t.plotSpan}"]`).waitFor()
    await button(page, t.plotLife).click()
    await page.locator(`[data-plot="rate"][aria-label*="${t.plotLife}"]`).waitFor()
    const number = new Intl.NumberFormat(language)
    expect(await plot.getAttribute('aria-label')).toBe(
      `${t.giftsASecond}, ${t.plotLife}: ${t.plotNow} ${number.format(0)} ${t.plotUnits.rate}, ${t.plotHighest} ${number.format(10)}`,
    )
    expect(await page.getByRole('button', { pressed: true }).allTextContents()).toEqual([t.plotLife])
    expect(await visitor.seriousFaults()).toEqual([])
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })
})
