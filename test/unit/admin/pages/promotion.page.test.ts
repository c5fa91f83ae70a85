import { expect, test } from '@jest/globals'
import type { PageContext } from '#admin/pages/layout.ts'
import { promotionPage } from '#admin/pages/promotion.page.ts'
import type { PromotionView, Snapshot } from '#admin/snapshot/sampler.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { promotionView } from '#test/support/promotion-view.ts'

const promotion: PromotionView = { ...promotionView, id: '43' }

const gift = {
  ...{ type: 'VOUCHER', targetId: '9007199254740993', memberId: '7', amount: '100', processStatus: 'FAILED' },
  ...{ attempts: 1, errorCode: 'HTTP_422', errorMessage: 'no such member', updatedAt: '2026-11-25T11:51:00.000Z' },
} as unknown as GiftRecord

interface Shown {
  of?: Partial<PromotionView>
  failures?: readonly GiftRecord[] | undefined
  skipped?: number | undefined
  texts?: PageContext['texts']
}

const page = ({ of = {}, texts = TEXTS.en, ...rest }: Shown = {}) => {
  const snapshot = { promotions: [], workers: [] } as unknown as Snapshot
  const view = { promotion: { ...promotion, ...of }, snapshot, instances: [], failures: [gift], skipped: 0, ...rest }
  return promotionPage(view, { texts, identity: undefined, path: '/', stale: [] })
}

test('a page that is shown again says what it said, in the language of each reader', () => {
  expect(page()).toBe(page())
  expect(page()).toContain('HTTP_422: no such member')
  for (const name of ['findGift', 'failures', 'plots'] as const) {
    expect(page()).toContain(TEXTS.en.promotion[name])
    expect(page({ texts: TEXTS.ko })).not.toContain(`>${TEXTS.en.promotion[name]}<`)
    expect(page({ texts: TEXTS.ko })).toContain(TEXTS.ko.promotion[name])
  }
})

test('what has changed of the failures is seen at once', () => {
  page()
  expect(page({ failures: [{ ...gift, errorMessage: 'no such card' }] })).toContain('HTTP_422: no such card')
  expect(page({ failures: [{ ...gift, memberId: '***7' }] })).toContain('***7')
  expect(page({ failures: [] })).toContain(TEXTS.en.promotion.noFailures)
  expect(page({ failures: undefined })).toContain(TEXTS.en.frame.notRead)
  for (const skipped of [3, 4]) expect(page({ skipped })).toContain(TEXTS.en.promotion.notTaken(skipped))
})

test('the links and the search of each promotion are its own', () => {
  page()
  const other = page({ of: { id: '44', type: 'POINT' } })
  expect(other).toContain('action="/promotions/44/gifts"')
  expect(other).toContain('name="type" value="POINT"')
  expect(other).not.toMatch(/\/promotions\/43\b/)
})
