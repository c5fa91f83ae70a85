import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import type { Language } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { startStack } from '#local/embedded-stack.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { adminUsers, PASSWORDS } from '../support/admin-client.ts'
import { openBrowser, Visitor, WIDTHS } from '../support/browser.ts'
import { ensureKoreanFont } from '../support/chromium.ts'
import { uniqueId } from '../support/stack-env.ts'
import { giftJson, TestSystem } from '../support/system.ts'

/**
 * Makes the pictures of the README and the docs, from small campaigns that really run: `npm run screenshots`. Korean ones
 * want a Korean font, which is installed where it can be (Debian: fonts-nanum). `--folder` puts them elsewhere; `--look-ms` is
 * how long figures gather before a picture of them.
 */
const { values } = parseArgs({
  options: { folder: { type: 'string', default: 'docs/images' }, 'look-ms': { type: 'string', default: '8000' } },
})
const FOLDER = values.folder
const LOOK_MS = Number(values['look-ms'])

const say = (line: string) => process.stderr.write(`${line}\n`)
const stack = await startStack({ env: process.env, onProgress: say })
process.env.PROMOSTREAM_TEST_ENV = JSON.stringify(stack.env)
process.env.JEST_WORKER_ID = '1'
const system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', WORKER_MAX_IN_FLIGHT: '1024' })
// A browser that runs does not see it.
await ensureKoreanFont()
const browser = await openBrowser()
const sessions = new Map<Language, Awaited<ReturnType<Visitor['context']['storageState']>>>()
try {
  mkdirSync(FOLDER, { recursive: true })
  const admin = await system.start('admin', { ADMIN_USERS: adminUsers() })
  await pictures(browser, admin.url, 'empty', '/')
  await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  await system.control({ latencyMs: 20 })
  const finished = await campaign('Welcome points', 'POINT', 1500)
  await system.until('finished', async () => (await system.promotions.find(finished))?.status === 'COMPLETED', 60_000)
  await healthyPictures(browser, admin.url)
  await system.control({ latencyMs: 300 })
  const paused = await campaign('Loyalty points', 'POINT', 20_000)
  await system.until('some paid', async () => (await system.countByStatus(paused, 'POINT')).SUCCESS > 1200, 60_000)
  await system.promotions.move(paused, ['IN_PROGRESS'], 'PAUSED')
  await system.promotions.create({
    id: String(uniqueId()),
    name: 'Winter vouchers',
    type: 'VOUCHER',
    totalCount: 1_000_000,
  })
  const running = await campaign('Autumn vouchers', 'VOUCHER', 100_000)
  await system.until('some paid', async () => (await system.countByStatus(running, 'VOUCHER')).SUCCESS > 5000, 60_000)
  await pictures(browser, admin.url, 'progress', '/')
  await pictures(browser, admin.url, 'finished', `/promotions/${finished}`)
  await system.control({ faultPercent: 45, faults: ['error-503'], seed: 7 })
  await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  await pictures(browser, admin.url, 'failing', `/promotions/${running}`)
  await system.control({ down: true })
  await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  await pictures(browser, admin.url, 'away', '/')
  const board = await visit(browser, admin.url, 'en', { viewport: { width: 1200, height: 560 } })
  await board.goto('/board')
  await board.page.getByText('Autumn vouchers').first().waitFor()
  await board.page.waitForTimeout(1000)
  await board.page.screenshot({ path: `${FOLDER}/board.png` })
} finally {
  await browser.close()
  await system.stop()
  await stack.close()
}

/** In English, wide and light, as the README shows it; in Korean wide and light, and on a dark phone. */
async function pictures(by: Browser, url: string, name: string, path: string): Promise<void> {
  const shots = [
    { language: 'en', viewport: WIDTHS.desktop, colorScheme: 'light', file: `${name}.png` },
    { language: 'ko', viewport: WIDTHS.desktop, colorScheme: 'light', file: `${name}-ko.png` },
    { language: 'ko', viewport: WIDTHS.phone, colorScheme: 'dark', file: `${name}-ko-phone.png` },
  ] as const
  for (const { language, file, ...options } of shots) {
    const visitor = await visit(by, url, language, options)
    await visitor.goto(path)
    await visitor.page.waitForTimeout(1500)
    await visitor.page.screenshot({ path: `${FOLDER}/${file}` })
    say(`made ${FOLDER}/${file}`)
    await visitor.close()
  }
}

async function visit(by: Browser, url: string, language: Language, options: Parameters<Browser['newContext']>[0] = {}) {
  const known = sessions.get(language)
  const visitor = await Visitor.open(by, url, {
    locale: language,
    ...options,
    ...(known === undefined ? {} : { storageState: known }),
  })
  if (known === undefined) {
    const { frame } = TEXTS[language]
    await visitor.goto('/login')
    await visitor.page.getByLabel(frame.user).fill('otto')
    await visitor.page.getByLabel(frame.password).fill(PASSWORDS.otto)
    await visitor.page.getByRole('button', { name: frame.logIn }).click()
    await visitor.page.waitForURL(`${url}/`)
    sessions.set(language, await visitor.context.storageState())
  }
  return visitor
}

async function campaign(name: string, type: PromotionType, count: number): Promise<string> {
  const id = String(uniqueId())
  await system.promotions.create({ id, name, type, totalCount: count })
  await system.promotions.start(id, count)
  await give(id, type, count)
  return id
}

async function give(id: string, type: PromotionType, count: number): Promise<void> {
  const first = uniqueId() * 1000n
  const values = Array.from({ length: count }, (_, index) =>
    giftJson(type, { promotionId: id, promotionSummaryId: id, targetId: String(first + BigInt(index)) }),
  )
  await system.publish(type, values)
}

/** Gifts come as fast as another system finds its members, and slower than they are paid: nothing slows it down. */
async function healthyPictures(by: Browser, url: string): Promise<void> {
  const id = String(uniqueId())
  await system.promotions.create({ id, name: 'Spring vouchers', type: 'VOUCHER', totalCount: 20_000 })
  await system.promotions.start(id, 20_000)
  const trickle = setInterval(() => void give(id, 'VOUCHER', 50).catch(() => undefined), 250)
  try {
    await new Promise(resolve => setTimeout(resolve, 2.5 * LOOK_MS))
    await pictures(by, url, 'healthy', `/promotions/${id}`)
  } finally {
    clearInterval(trickle)
  }
  await system.promotions.move(id, ['IN_PROGRESS'], 'PAUSED')
}
