import { expect, test } from '@jest/globals'
import type { PageContext } from '#admin/pages/layout.ts'
import { progressPage } from '#admin/pages/progress.page.ts'
import type { PromotionView, Snapshot } from '#admin/snapshot/sampler.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { promotionView as view } from '#test/support/promotion-view.ts'

const page = (promotions: PromotionView[], texts: PageContext['texts'] = TEXTS.en) => {
  const snapshot = { promotions, around: { instances: [] }, workers: [] } as unknown as Snapshot
  return progressPage(snapshot, { page: 1 }, { texts, identity: undefined, path: '/', stale: [] })
}

test('a card that is shown again says what it said, in the language of each reader', () => {
  expect(page([view])).toBe(page([view]))
  expect(page([view])).toContain('61 of 200 gifts')
  expect(page([view], TEXTS.ko)).not.toContain('of 200 gifts')
  expect(page([view])).toContain('61 of 200 gifts')
})

test('what has changed is seen at once', () => {
  page([view])
  expect(page([{ ...view, done: 62 }])).toContain('62 of 200 gifts')
  const waits = (gifts: number) => ({ level: 'wait', code: 'slots', text: () => `${gifts} wait` }) as const
  for (const gifts of [7, 8]) expect(page([{ ...view, bottlenecks: [waits(gifts)] }])).toContain(`${gifts} wait`)
})

test('a page in English is Latin-1 as far as it is ours, so that sending it costs half', () => {
  expect(page([view])).toMatch(/^[\0-\xff]*$/)
  expect(page([view])).toContain('&#54620;&#44397;&#50612;')
})
