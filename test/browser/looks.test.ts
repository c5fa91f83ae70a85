import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { SCHEMES, Visitor, WIDTHS } from '../support/browser.ts'
import { PICTURES, Screen } from '../support/screen.ts'
import { foreignTexts, seenTexts } from '../support/seen-texts.ts'
import { kafkaMissing } from '../support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('how the pages look', () => {
  let screen: Screen

  beforeAll(async () => {
    screen = await Screen.open()
  }, 120_000)
  afterAll(() => screen?.close(), 60_000)

  const paths = () => ({
    progress: '/',
    running: `/promotions/${screen.ids.running}`,
    ended: `/promotions/${screen.ids.ended}`,
    unsettled: `/promotions/${screen.ids.unknown}`,
    gifts: `/promotions/${screen.ids.unknown}/gifts?status=UNKNOWN`,
    gift: `/gifts/VOUCHER/${screen.unknownTargets[0]}`,
    report: `/promotions/${screen.ids.ended}/report`,
    activity: '/audit',
    runbook: '/runbook',
    rejected: `/promotions/${screen.ids.ended}/rejected`,
    letters: `/promotions/${screen.ids.ended}/dead-letters`,
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
      const visitor = await screen.visit(language, { viewport: WIDTHS[width], colorScheme })
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
    const { page, ...visitor } = await Visitor.open(screen.browser, screen.admin.url, { locale: 'ko-KR' })
    await page.goto(`${screen.admin.url}/login?next=%2Faudit`)
    await page.getByRole('heading', { name: TEXTS.ko.frame.logIn }).waitFor()
    await page.getByRole('link', { name: 'English' }).click()
    await page.getByRole('heading', { name: TEXTS.en.frame.logIn }).waitFor()
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/login?next=%2Faudit')
    await page.reload()
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
    await visitor.context.close()
  })

  test('times are the reader’s own, UTC on hover', async () => {
    const visitor = await screen.visit('en', { timezoneId: 'Asia/Seoul' })
    await visitor.goto(`/gifts/VOUCHER/${screen.unknownTargets[0]}`)
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
    const visitor = await screen.visit('en')
    await visitor.goto('/')
    const card = visitor.page.locator(`[data-promotion="${screen.ids.ended}"]`)
    expect(await card.locator('.badge').textContent()).toBe('Completed: 200 never came')
    expect(await card.locator('.badge').getAttribute('data-look')).toBe('bad')
    expect(await card.locator('[data-causes]').isVisible()).toBe(false)
    // No worker lives: said once, not on each card.
    await visitor.page.locator('#installation li[data-code="no-worker"]').waitFor()
    expect(await visitor.page.locator('.promotions li[data-code="no-worker"]').count()).toBe(0)
    await visitor.close()
  })
})
