import { describe, expect, test } from '@jest/globals'
import { toFields } from '#admin/pages/fields.ts'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import { TEXTS } from '#admin/texts/texts.ts'

const NOW = Date.parse('2026-11-25T12:00:00Z')
const view = (more: Partial<PromotionView> = {}): PromotionView => ({
  id: '42',
  name: 'Autumn',
  type: 'VOUCHER',
  status: 'IN_PROGRESS',
  totalCount: 200,
  startedAt: '2026-11-25T11:50:00.000Z',
  finishedAt: null,
  rows: 200,
  gifts: { PENDING: 140, RETRYING: 0, SUCCESS: 60, FAILED: 0, UNKNOWN: 0 },
  done: 60,
  expected: 200,
  active: 5,
  waiting: 135,
  oldestLeasedS: 0,
  slots: 10,
  slotsInUse: 5,
  perSecond: 10,
  eta: { likely: 14, soonest: 10, latest: 30 },
  verdict: null,
  bottlenecks: [],
  ...more,
})
const completed = (gifts: Partial<PromotionView['gifts']>, rows = 200) =>
  view({
    status: 'COMPLETED',
    finishedAt: '2026-11-25T11:58:00.000Z',
    rows,
    gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 0, FAILED: 0, UNKNOWN: 0, ...gifts },
  })
const { en, ko } = TEXTS

describe('how a promotion ended is part of its state', () => {
  test.each([
    ['all paid', completed({ SUCCESS: 200 }), 'Completed', '완료', 'good'],
    ['some failed', completed({ SUCCESS: 197, FAILED: 3 }), 'Completed: 3 failed', '완료: 실패 3건', 'wait'],
    ['some unknown', completed({ SUCCESS: 199, UNKNOWN: 1 }), 'Completed: 1 unknown', '완료: 결과 미확인 1건', 'bad'],
    ['none came', completed({}, 0), 'Completed: 200 never came', '완료: 들어오지 않은 200건', 'bad'],
    [
      'more came',
      completed({ SUCCESS: 201 }, 201),
      'Completed: 1 more than expected',
      '완료: 예상보다 1건 많음',
      'good',
    ],
  ] as const)('%s', (_what, ended, english, korean, look) => {
    expect([toFields(ended, en).text.status, toFields(ended, ko).text.status]).toEqual([english, korean])
    expect(toFields(ended, en).look).toBe(look)
  })
})

describe('times', () => {
  test('one that goes on: since its start, at its average rate; the time left fits a line', () => {
    const { text, hints, times } = toFields(view(), en, NOW)
    expect(text).toMatchObject({ rate: '10/s', average: '0/s', duration: '10 min', eta: 'about 14 sec' })
    expect(hints.eta).toContain('10 sec to 30 sec')
    expect(times).toMatchObject({ started: '2026-11-25T11:50:00.000Z', finished: null, deadline: null })
  })

  test('at rate 0 the time left is unknown, whatever the last minute was like', () => {
    expect(toFields(view({ perSecond: 0 }), en, NOW).text.eta).toBe('unknown')
    expect(toFields(view({ perSecond: 0 }), ko, NOW).text.eta).toBe('알 수 없음')
    expect(toFields(view({ eta: null }), en, NOW).text.eta).toBe('unknown')
  })

  test('one that has ended: how long it took; no rate of now', () => {
    const { text } = toFields(completed({ SUCCESS: 200 }), en, NOW)
    expect(text).toMatchObject({ duration: '8 min 0 sec', rate: '-', eta: '-' })
  })

  test('a deadline that has passed says by how much', () => {
    const late = { ...completed({ SUCCESS: 200 }), deadlineAt: '2026-11-25T11:57:00.000Z' }
    expect(toFields(late, en, NOW).hints.deadline).toBe('1 min 0 sec too late')
    expect(toFields({ ...late, deadlineAt: '2026-11-25T11:59:00.000Z' }, en, NOW).hints.deadline).toBeUndefined()
  })
})

describe('what can be done', () => {
  test.each([
    ['READY', ['start', 'stop'], 'start'],
    ['IN_PROGRESS', ['pause', 'stop', 'rebuild'], 'pause'],
    ['PAUSED', ['resume', 'stop'], 'resume'],
    ['STOPPED', ['start'], 'start'],
    ['COMPLETED', [], null],
  ] as const)('%s: only what applies, one of it first', (status, actions, primary) => {
    expect(toFields(view({ status }), en)).toMatchObject({ actions, primary })
  })

  test('with nothing left to pay it may be finished; unknown gifts may be asked about', () => {
    const settled = view({ gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 199, FAILED: 0, UNKNOWN: 1 } })
    expect(toFields(settled, en).actions).toEqual([
      'pause',
      'stop',
      'rebuild',
      'finish',
      'retry-unknown',
      'reconcile-unknown',
    ])
    expect(toFields({ ...settled, status: 'COMPLETED' }, en).primary).toBe('reconcile-unknown')
  })
})

test('while the first gifts are confirmed the state says so', () => {
  const canary = { canaryGifts: 20, canaryConfirmed: 3 }
  expect(toFields(view(canary), en).text.status).toBe('In progress: canary, 3 of the first 20 gifts confirmed')
  expect(toFields(view(canary), ko).text.status).toContain('처음 20건 중 3건 확인됨')
  expect(toFields(view({ ...canary, canaryConfirmed: 20 }), en).text.status).toBe('In progress')
})

test('will it be done by its deadline: how long before, or what keeps it from that', () => {
  const likely = '2026-11-25T12:10:00.000Z'
  const verdict = { isInTime: true, likely, from: likely, to: likely, spareS: 600 }
  const bottleneck = { code: 'rate-limit', level: 'bad', text: () => 'Calls wait' } as never
  const early = toFields(view({ deadlineAt: '2026-11-25T12:20:00Z', verdict }), en)
  expect(early.times.likelyEnd).toBe(likely)
  expect(early.text.verdict).toMatch(/^Yes, .*10.* before the deadline$/)
  const late = view({ verdict: { ...verdict, isInTime: false, spareS: -600 } })
  expect(toFields(late, en).text.verdict).toMatch(/^No, .*10.* too late: 10/)
  expect(toFields({ ...late, bottlenecks: [bottleneck] }, en).text.verdict).toMatch(/too late: Calls wait$/)
  expect(toFields(late, ko).text.verdict).toMatch(/^아니요/)
  expect(toFields(view(), en).text.verdict).toBe('-')
})
