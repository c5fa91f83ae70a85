import { mkdirSync } from 'node:fs'
import { startStack } from '#local/embedded-stack.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { adminUsers } from '../support/admin-client.ts'
import { openBrowser, Visitor } from '../support/browser.ts'
import { uniqueId } from '../support/stack-env.ts'
import { giftJson, TestSystem } from '../support/system.ts'

/** Makes the README's pictures, from a small campaign that really runs: `npm run screenshots`. */
const FOLDER = 'docs/images'

const say = (line: string) => process.stderr.write(`${line}\n`)
const stack = await startStack({ env: process.env, onProgress: say })
process.env.PROMOSTREAM_TEST_ENV = JSON.stringify(stack.env)
process.env.JEST_WORKER_ID = '1'
const system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', WORKER_MAX_IN_FLIGHT: '24' })
const browser = await openBrowser()
try {
  const admin = await system.start('admin', { ADMIN_USERS: await adminUsers() })
  await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  await system.control({ latencyMs: 20 })
  await campaign('Welcome points', 'POINT', 1500)
  await system.control({ faultPercent: 15, seed: 7 })
  const paused = await campaign('Loyalty points', 'POINT', 20_000)
  await system.until('some paid', async () => (await system.countByStatus(paused, 'POINT')).SUCCESS > 1200)
  await system.promotions.move(paused, ['IN_PROGRESS'], 'PAUSED')
  await campaign('Autumn vouchers', 'VOUCHER', 20_000)
  await system.promotions.create({
    id: String(uniqueId()),
    name: 'Winter vouchers',
    type: 'VOUCHER',
    totalCount: 1_000_000,
  })

  mkdirSync(FOLDER, { recursive: true })
  const visitor = await Visitor.open(browser, admin.url, { viewport: { width: 1200, height: 880 } })
  await visitor.login('vera')
  await visitor.page.waitForTimeout(20_000)
  await visitor.page.screenshot({ path: `${FOLDER}/progress.png` })
  await visitor.goto('/board')
  await visitor.page.getByText('Autumn vouchers').first().waitFor()
  await visitor.page.waitForTimeout(1000)
  await visitor.page.screenshot({ path: `${FOLDER}/board.png`, clip: { x: 0, y: 0, width: 1200, height: 560 } })
  say(`made ${FOLDER}/progress.png and ${FOLDER}/board.png`)
} finally {
  await browser.close()
  await system.stop()
  await stack.close()
}

async function campaign(name: string, type: PromotionType, count: number): Promise<string> {
  const id = String(uniqueId())
  await system.promotions.create({ id, name, type, totalCount: count })
  await system.promotions.start(id, count)
  const first = uniqueId() * 1000n
  const values = Array.from({ length: count }, (_, index) =>
    giftJson(type, { promotionId: id, promotionSummaryId: id, targetId: String(first + BigInt(index)) }),
  )
  await system.publish(type, values)
  return id
}
