import { describe, expect, test } from '@jest/globals'
import type { GiftRow } from '#database/gifts/gift.ts'
import type { ChargeOutcome, MoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { Canary } from '#promotion/payment/canary.ts'
import { chargeGift, isExhausted, reasonOf } from '#promotion/payment/gift-charge.ts'
import { withSpan } from '#runtime/tracing.ts'
import { pendingRow } from '#test/support/processor-harness.ts'
import { collectSpans } from '#test/support/spans.ts'

type Charge = MoneyCampaignChargeApi['charge']

const SETTINGS = { maxAttempts: 3, keyTtlMs: 1000 }
const PAID: ChargeOutcome = { kind: 'charged', transactionKey: 'tx', posts: 1 }
const mayCall = () => true

/** One attempt, and what the Money API was asked with. */
async function charge(row: GiftRow, options: { canary?: Partial<Canary>; signal?: AbortSignal } = {}) {
  const asked: Parameters<Charge>[] = []
  const api: Charge = async (...args) => {
    asked.push(args)
    return PAID
  }
  const canary = options.canary as Canary | undefined
  const deps = { moneyCampaignChargeApi: { charge: api }, canary, settings: SETTINGS }
  const outcome = await chargeGift('POINT', row, deps, { signal: options.signal, mayCall })
  return { outcome, asked, how: asked[0]?.[1] ?? {} }
}

describe('one attempt to pay a row', () => {
  test('asks for what the row says, and hands on who may stop it', async () => {
    const { signal } = new AbortController()
    const { outcome, asked } = await charge(pendingRow({ amount: '77' }), { signal })
    expect(outcome).toBe(PAID)
    const request = { type: 'POINT', promotionId: '1', targetId: '100', memberId: '5', amount: '77' }
    expect(asked).toEqual([[request, expect.objectContaining({ signal, mayCall })]])
    expect((await charge(pendingRow())).how).not.toHaveProperty('signal')
  })

  test.each([
    [0, { isFirst: true, isLast: false }],
    [1, { isFirst: false, isLast: false }],
    [2, { isFirst: false, isLast: true }],
    [3, { isFirst: false, isLast: true }],
  ])('of three, after %s POSTs: %j', async (attempts, expected) => {
    expect((await charge(pendingRow({ attempts }))).how).toMatchObject(expected)
  })

  test.each([
    ['a row of now', 0, false, { lookFirst: false, isYoung: true }],
    ['a row of now that was put back', 0, true, { lookFirst: true, isYoung: true }],
    ['a row that the key may have outlived', 60_000, false, { lookFirst: true, isYoung: false }],
    ['such a row that was put back', 60_000, true, { lookFirst: true, isYoung: false }],
  ])('%s: %j', async (_name, ageMs, askFirst, expected) => {
    // Far from the border on both sides, however slow the machine is.
    const createdAtMs = Date.now() - ageMs + (ageMs === 0 ? 60_000 : 0)
    expect((await charge(pendingRow({ createdAtMs, askFirst }))).how).toMatchObject(expected)
  })

  test('goes by the canary until the promotion has passed it', async () => {
    const around: string[] = []
    const canary = (hasPassed: boolean): Partial<Canary> => ({
      hasPassed: id => hasPassed && id === '1',
      around: async (type, { targetId }, pay) => {
        around.push(`${type} ${targetId}`)
        return pay()
      },
    })
    expect((await charge(pendingRow(), { canary: canary(true) })).asked).toHaveLength(1)
    expect(around).toEqual([])
    expect((await charge(pendingRow(), { canary: canary(false) })).asked).toHaveLength(1)
    expect(around).toEqual(['POINT 100'])
  })

  test('a canary that says no keeps the Money API from being asked', async () => {
    const blocked: ChargeOutcome = { kind: 'blocked', reason: 'not yet', posts: 0 }
    const canary: Partial<Canary> = { hasPassed: () => false, around: async () => blocked }
    expect(await charge(pendingRow(), { canary })).toMatchObject({ outcome: blocked, asked: [] })
  })
})

test.each([
  [1, 1, false, false],
  [2, 1, false, true],
  [3, 1, false, true],
  [1, 2, false, true],
  // What was not sent costs nothing.
  [2, 0, false, false],
  [2, 1, true, false],
])('of three: %s POSTs and %s more, outage %s: used up %s', (attempts, posts, isOutage, isOver) => {
  const outcome = { kind: 'unsettled', code: 'TIMEOUT', message: '', posts, isOutage } as const
  expect(isExhausted(pendingRow({ attempts }), outcome, SETTINGS)).toBe(isOver)
})

test('a person can read why a row stays as it is', () => {
  expect(reasonOf({ kind: 'unauthorized', code: 'HTTP_401', message: '', posts: 1 })).toMatch(/credentials.*HTTP_401/)
  expect(reasonOf({ kind: 'blocked', reason: 'the promotion is paused', posts: 0 })).toBe('the promotion is paused')
  expect(reasonOf({ kind: 'aborted', posts: 0 })).toBe('stopping')
})

describe('with tracing', () => {
  const take = collectSpans()

  test('the span of the payment names the gift', async () => {
    await withSpan('gift payment', { kind: 'consumer' }, async () => void (await charge(pendingRow({ attempts: 2 }))))
    const attributes = {
      ...{ 'promostream.type': 'POINT', 'promostream.promotion.id': '1' },
      ...{ 'promostream.target.id': '100', 'promostream.attempts': 2 },
    }
    expect(take()).toMatchObject([{ name: 'gift payment', attributes }])
  })
})
