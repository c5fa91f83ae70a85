import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { type GateProxy, startGateProxy } from '../support/gate-proxy.ts'
import { PICTURES, Screen } from '../support/screen.ts'
import { kafkaMissing } from '../support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('the screen while PostgreSQL is away', () => {
  let screen: Screen
  let database: GateProxy

  beforeAll(async () => {
    screen = await Screen.open(async env => {
      const url = new URL(env.DATABASE_URL!)
      database = await startGateProxy({ port: Number(url.port || 5432) })
      url.hostname = '127.0.0.1'
      url.port = String(database.port)
      return { DATABASE_URL: url.href }
    })
  }, 120_000)
  afterAll(async () => {
    await screen?.close()
    await database?.stop()
  }, 60_000)

  test.each(LANGUAGES)(
    'in %s: a page that is open says so by itself, others keep what they showed; all comes back',
    async language => {
      const { ids, unknownTargets } = screen
      const live = await screen.visit(language)
      const other = await screen.visit(language)
      const paths = {
        gifts: `/promotions/${ids.unknown}/gifts?status=UNKNOWN`,
        gift: `/gifts/VOUCHER/${unknownTargets[0]}`,
        report: `/promotions/${ids.ended}/report`,
        rejected: `/promotions/${ids.ended}/rejected`,
        letters: `/promotions/${ids.ended}/dead-letters`,
        activity: '/audit',
        unsettled: `/promotions/${ids.unknown}`,
        progress: '/',
      }
      const bodyOf = async (path: string) => {
        await other.goto(path)
        return other.page.locator('main h1, main td, main dt').allTextContents()
      }
      const before = new Map<string, string[]>()
      for (const [name, path] of Object.entries(paths)) before.set(name, await bodyOf(path))
      await live.goto(`/promotions/${ids.running}`)
      const note = live.page.locator('[data-stale] p', { hasText: TEXTS[language].frame.stale.database })
      await live.page.locator('[data-pulse]:not([hidden])').waitFor()
      expect(await live.page.locator('[data-stale]').isVisible()).toBe(false)

      database.close()
      try {
        await note.waitFor()
        const asOf = await note.locator('time').getAttribute('datetime')
        expect(Date.now() - Date.parse(asOf!)).toBeLessThan(15_000)
        for (const [name, path] of Object.entries(paths)) {
          expect([name, await bodyOf(path)]).toEqual([name, before.get(name)])
          const told = await other.page.locator('[data-stale] p').allTextContents()
          expect([name, told.length, told[0]?.includes(TEXTS[language].frame.stale.database)]).toEqual([name, 1, true])
          expect([name, await other.seriousFaults(), await other.overflow()]).toEqual([name, [], 0])
          await other.page.screenshot({ path: join(PICTURES, `${language}-away-${name}.png`), fullPage: true })
        }
      } finally {
        database.open()
      }
      await note.waitFor({ state: 'detached' })
      expect(await live.page.locator('[data-stale]').isVisible()).toBe(false)
      expect(live.faults).toEqual([])
      await Promise.all([live.close(), other.close()])
    },
  )
})
