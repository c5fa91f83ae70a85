import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Queue } from 'bullmq'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import type { Visitor } from '../support/browser.ts'
import { PICTURES, Screen } from '../support/screen.ts'
import { kafkaMissing } from '../support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** As the board says it. */
const BOARD = {
  en: { pause: 'Pause', slots: 'Set concurrency', retry: 'Retry', delayed: 'Delayed' },
  ko: { pause: '일시정지', slots: '동시성 설정', retry: '재시도', delayed: '지연' },
} as const

withKafka('the board at the screen', () => {
  let screen: Screen
  let retryQueue: Queue

  beforeAll(async () => {
    screen = await Screen.open()
    const { hostname: host, port, pathname } = new URL(screen.system.env.REDIS_URL!)
    const prefix = `${screen.system.env.REDIS_KEY_PREFIX ?? ''}promostream`
    retryQueue = new Queue(RETRY_QUEUE_NAME, {
      connection: { host, port: Number(port), db: Number(pathname.slice(1)) },
      prefix,
    })
    const data = { type: 'VOUCHER', promotionId: screen.ids.unknown, targetId: screen.unknownTargets[0] }
    await retryQueue.add('retry', data, { delay: 3_600_000, jobId: `VOUCHER-${screen.unknownTargets[0]}` })
  }, 120_000)
  afterAll(async () => {
    await retryQueue?.close()
    await screen?.close()
  }, 60_000)

  /** What a reader can press. */
  const menuOf = async ({ page }: Visitor) => {
    await page.locator('button[aria-haspopup="menu"][class*="trigger-"]').last().click()
    await page.getByRole('menuitem').first().waitFor({ state: 'attached' })
    const items = page.getByRole('menuitem').filter({ visible: true })
    return (await items.allTextContents()).map(text => text.trim())
  }

  test.each(LANGUAGES)(
    'in %s: names, the reader’s language, a way back, and nothing that is refused',
    async language => {
      const visitor = await screen.visit(language)
      const { page } = visitor
      const { frame } = TEXTS[language]
      await visitor.goto('/board')
      // By their names in the list, where their keys stood.
      const list = page.locator('a[href*="/queue/"]')
      await list.filter({ hasText: 'Unsettled' }).first().waitFor()
      expect(
        await list.filter({ hasText: 'campaign-promotion-' }).filter({ hasNotText: RETRY_QUEUE_NAME }).count(),
      ).toBe(0)
      expect(await page.locator('html').getAttribute('lang')).toContain(language)

      await visitor.goto(`/board/queue/${RETRY_QUEUE_NAME}?status=delayed`)
      await page.getByText(BOARD[language].delayed).first().waitFor()
      await page.getByText(`VOUCHER-${screen.unknownTargets[0]}`).first().waitFor()
      const pressable = page
        .locator('ul[class*="jobActions-"] li, ul[class*="queueActions-"] li')
        .filter({ visible: true })
      await expectCount(pressable, 0)
      const job = page.locator(`a[href$="/gifts/VOUCHER/${screen.unknownTargets[0]}"]`)
      expect(await job.count()).toBeGreaterThan(0)
      expect(await menuOf(visitor)).toEqual([BOARD[language].pause, BOARD[language].slots])
      await page.screenshot({ path: join(PICTURES, `board-retry-${language}.png`) })
      await page.keyboard.press('Escape')

      // A promotion's queue is looked at, and nothing is done there.
      const key = encodeURIComponent(`campaign-promotion-${screen.ids.unknown}:voucher:stream`)
      await visitor.goto(`/board/queue/${key}?status=failed`)
      await page.locator(`a[href$="/gifts/VOUCHER/${screen.unknownTargets[0]}"]`).first().waitFor()
      await expectCount(page.locator('ul[class*="jobActions-"], ul[class*="queueActions-"]'), 0)

      const back = page.locator('[data-way-back]')
      expect(await back.textContent()).toContain(frame.promotions)
      await back.click()
      await page.getByRole('heading', { level: 1, name: frame.promotions }).waitFor()
      await visitor.goto('/api/docs')
      await back.click()
      await page.getByRole('heading', { level: 1, name: frame.promotions }).waitFor()
      expect(visitor.faults).toEqual([])
      await visitor.close()
    },
  )

  test('a failed job’s retry stays, with its name; it asks the gift', async () => {
    const visitor = await screen.visit('en')
    const { page } = visitor
    const job = await retryQueue.getJob(`VOUCHER-${screen.unknownTargets[0]}`)
    // As BullMQ leaves one whose attempts are used up.
    await screen.system.redis.zrem(retryQueue.toKey('delayed'), job!.id!)
    await screen.system.redis.zadd(retryQueue.toKey('failed'), Date.now(), job!.id!)
    await visitor.goto(`/board/queue/${RETRY_QUEUE_NAME}?status=failed`)
    const buttons = page.locator('ul[class*="jobActions-"] button').filter({ visible: true })
    await buttons.first().waitFor()
    expect(
      await buttons.evaluateAll(all => all.map(button => (button as unknown as { ariaLabel: string }).ariaLabel)),
    ).toEqual([BOARD.en.retry])
    await buttons.first().click()
    await page.getByRole('button', { name: /confirm/i }).click()
    await screen.system.until('the gift is tried again', async () => {
      const gift = await screen.system.results.VOUCHER.find(screen.unknownTargets[0]!)
      return gift?.processStatus === 'RETRYING'
    })
    expect(visitor.faults).toEqual([])
    await visitor.close()
  })

  /** The board's own script and ours have settled. */
  async function expectCount(locator: ReturnType<Visitor['page']['locator']>, count: number) {
    await screen.system.until(
      'the actions are as they should be',
      async () => (await locator.count()) === count,
      10_000,
    )
  }
})
