import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { parseHTML } from 'linkedom'
import { auditPage, promotionIdOf } from '#admin/pages/audit.page.ts'
import { LANGUAGES, type Language } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { ActivityRecord } from '#database/activity-log.ts'

const record = (change: Partial<ActivityRecord>): ActivityRecord => ({
  ...{
    id: '1',
    at: '2026-11-25T10:00:00.000Z',
    who: 'otto',
    what: 'promotion.pause',
    target: '/api/promotions/42/pause',
  },
  ...{ detail: {}, outcome: '200' },
  ...change,
})

/** What stands in the row of one change. */
function rowOf(change: Partial<ActivityRecord>, language: Language) {
  const context = { identity: undefined, path: '/audit', texts: TEXTS[language], stale: [] }
  const names = new Map([['42', 'Autumn']])
  const page = auditPage({ changes: [record(change)], names, nextCursor: null }, context)
  const row = parseHTML(page).document.querySelector('tbody tr')
  const [, , what, , answer] = [...(row?.children ?? [])].map(cell => cell.textContent?.trim())
  return { what, answer, link: row?.querySelector('a')?.getAttribute('href') ?? null }
}

describe('the activity log, in words', () => {
  test.each([
    ['by the API', {}, 'paused Autumn', '/promotions/42'],
    [
      'by the board',
      { what: 'board.pause', target: '/board/api/queues/campaign-promotion-42:voucher:stream/pause' },
      'paused Autumn on the board',
      '/promotions/42',
    ],
    ['by the command line', { what: 'promotion.stop', target: '42' }, 'stopped Autumn', '/promotions/42'],
    [
      'of a new one',
      { what: 'promotion.create', target: '/api/promotions', detail: { id: '43' } },
      'made Promotion 43',
      '/promotions/43',
    ],
    ['of a gift', { what: 'gift.retry', target: '/api/gifts/VOUCHER/7/retry' }, 'retried Gift 7', '/gifts/VOUCHER/7'],
    [
      'of none',
      { what: 'money.resume-calls', target: '/api/money/resume-calls' },
      'let the Money API be called again',
      null,
    ],
    ['that has no words yet', { what: 'new.thing', target: 'somewhere' }, 'new.thing: somewhere', null],
  ])('a change %s', (_, change, english, link) => {
    expect(rowOf(change, 'en')).toEqual({ what: english, answer: 'done', link })
    const korean = rowOf(change, 'ko')
    expect([korean.what?.match(/[가-힣]/) !== null, korean.link]).toEqual([true, link])
    if (english.includes('Autumn')) expect(korean.what).toContain('Autumn')
  })

  test('how it was answered', () => {
    const answer = (outcome: string | null) => rowOf({ outcome }, 'en').answer
    expect(['201', 'done', '409', '503', 'PROMOTION_WRONG_STATE', null].map(answer)).toEqual([
      ...['done', 'done', 'refused (409)', 'failed (503)', 'failed (PROMOTION_WRONG_STATE)', 'not ended'],
    ])
  })

  test('the promotion is found in paths of API and board and in the command line’s ids, and nowhere else', () => {
    const idOf = (target: string, detail?: unknown) => promotionIdOf({ target, detail })
    expect(idOf('/api/promotions/42')).toBe('42')
    expect(idOf('9223372036854775808')).toBeUndefined()
    expect(idOf('/api/gifts/VOUCHER/7/retry')).toBeUndefined()
    expect(idOf('/api/money', { id: '42' })).toBeUndefined()
  })

  test('everything that is recorded has its words in every language', async () => {
    const named = new Set<string>()
    for await (const file of glob('src/{admin,bin,promotion}/**/*.ts')) {
      const source = readFileSync(file, 'utf8')
      for (const [, what] of source.matchAll(/(?:change|what): '([a-z-]+(?:\.[a-z-]+)?)'/g)) named.add(what!)
    }
    expect(named.size).toBeGreaterThan(8)
    for (const language of LANGUAGES)
      expect([...named].filter(what => !(what in TEXTS[language].activity.acts))).toEqual([])
  })
})
