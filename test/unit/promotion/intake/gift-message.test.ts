import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { extendMessage, parseGift, parseMessage } from '#promotion/intake/gift-message.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { promotionStartedMessage } from '#queues/started.message.ts'

const good = {
  promotionId: '1',
  promotionSummaryId: '2',
  voucherTargetId: '3',
  partitionKey: 'k',
  memberId: '4',
  amount: '5',
}
const jsonOf = (overrides: Record<string, unknown>) => JSON.stringify({ ...good, ...overrides })
const withRaw = (field: string, source: string) => jsonOf({ [field]: '@' }).replace('"@"', source)

describe('a gift message', () => {
  test.each(['1', '9007199254740993', '9223372036854775807'])('%s is exact, as an integer and as digits', id => {
    for (const source of [id, `"${id}"`]) {
      const parsed = parseMessage(GIFT_TYPES.VOUCHER.message, withRaw('voucherTargetId', source))
      expect(parsed).toMatchObject({ ok: true, message: { voucherTargetId: id } })
    }
  })

  test.each([
    '0',
    '-1',
    '-0',
    '1.0',
    '1.5',
    '1e3',
    '9223372036854775808',
    '99999999999999999999',
    '"01"',
    '"+1"',
    '" 1"',
    '"1 "',
    '""',
    '"0x1"',
    '"1e3"',
    '"9223372036854775808"',
    'null',
    'true',
    '[]',
    '{}',
    '[1]',
    '{"rawJSON":5}',
    '{"rawJSON":"5"}',
    '{"rawJSON":"5","x":1}',
    '"１"',
  ])('%s is not an amount', source => {
    expect(parseMessage(GIFT_TYPES.VOUCHER.message, withRaw('amount', source))).toMatchObject({
      ok: false,
      reason: 'amount must be an integer from 1 to 2^63-1',
    })
  })

  test.each(['', ' ', '{', '[]', 'null', '1', '"x"', '{"a":1}', '{"promotionId":1,}', '\u0000', '\ufeff{}'])(
    '%j is unreadable, with a reason of one line',
    json => {
      const parsed = parseMessage(GIFT_TYPES.VOUCHER.message, json)
      expect(parsed.ok).toBe(false)
      if (!parsed.ok) expect(parsed.reason).toMatch(/^.{3,}$/)
    },
  )

  test('read without the schema, it says what the schema says: fields twice, in any order, values in values, escapes', () => {
    const name = fc.constantFrom(...Object.keys(good), 'other', ':1,', '{', 'am\\u006funt', '__proto__')
    const text = fc.constantFrom('7', 'amount:9,', 'a b', '}', '\\"', '\\"memberId\\":8,', '[')
    const source = fc.oneof(
      { weight: 2, arbitrary: fc.bigInt({ min: 1n, max: 2n ** 63n }).map(String) },
      text.map(content => `"${content}"`),
      fc.constantFrom(
        '0',
        '-1',
        '1.0',
        '9007199254740990.6',
        '1e3',
        'true',
        'null',
        '[1,2]',
        '{"amount":3,"memberId":9}',
      ),
    )
    const space = fc.constantFrom('', '', '', ' ', '\n\t')
    const field = fc.tuple(name, source, space, space).map(([key, value, a, b]) => `${a}"${key}"${b}:${a}${value}${b}`)
    const whole = fc.tuple(
      fc.constant(Object.entries(good)),
      fc.array(field, { maxLength: 3 }),
      fc.nat(6),
      fc.boolean(),
    )
    let read = 0
    fc.assert(
      fc.property(whole, ([entries, others, at, asNumbers]) => {
        const own = entries.map(
          ([key, value]) => `"${key}":${asNumbers && key !== 'partitionKey' ? value : `"${value}"`}`,
        )
        const json = `{${own.toSpliced(at, 0, ...others).join(',')}}`
        const bySchema = parseMessage(GIFT_TYPES.VOUCHER.message, json)
        const { voucherTargetId: targetId, ...rest } = bySchema.ok ? bySchema.message : ({} as Record<string, string>)
        const expected = bySchema.ok ? { ok: true, message: { ...rest, targetId } } : bySchema
        expect(parseGift('VOUCHER', json)).toMatchObject(expected)
        if (bySchema.ok) read++
      }),
      { numRuns: 5000 },
    )
    expect(read).toBeGreaterThan(500)
  })

  test.each(['a\u0000b', '\ud800'])('a partition key that PostgreSQL cannot hold is named: %j', partitionKey => {
    expect(parseMessage(GIFT_TYPES.VOUCHER.message, jsonOf({ partitionKey }))).toMatchObject({ ok: false })
  })

  test('__proto__ is a field like any other', () => {
    const json = jsonOf({}).replace('{', '{"__proto__":{"amount":"1"},')
    expect(parseMessage(GIFT_TYPES.VOUCHER.message, json)).toMatchObject({ ok: true, message: { amount: '5' } })
    expect(extendMessage(json, {}, {})).toContain('"__proto__":{"amount":"1"}')
  })

  test.each([10_000, 100_000])('an unknown field %i levels deep is legal, and ids stay exact', depth => {
    const json = withRaw('memberId', '77').replace('{', `{"deep":${'['.repeat(depth)}${']'.repeat(depth)},`)
    expect(parseMessage(GIFT_TYPES.VOUCHER.message, json)).toMatchObject({ ok: true, message: { memberId: '77' } })
    expect(JSON.parse(extendMessage(json, { memberId: '77' }, { attempt: 1 }))).toMatchObject({
      memberId: '77',
      attempt: 1,
    })
  })

  test('extended, it keeps unknown numbers as they were written', () => {
    const json = withRaw('partitionKey', '"k"').replace('{', '{"big":12345678901234567890.10,')
    expect(extendMessage(json, { memberId: '4' }, { attempt: 2 })).toContain('"big":12345678901234567890.10')
  })
})

describe('a started message', () => {
  test('takes ids exactly and a count', () => {
    expect(
      parseMessage(promotionStartedMessage, '{"promotionId":9223372036854775807,"totalCount":10,"type":"POINT"}'),
    ).toEqual({
      ok: true,
      message: { promotionId: '9223372036854775807', totalCount: 10, type: 'POINT' },
    })
  })

  test.each([
    '{"promotionId":1,"totalCount":-1,"type":"POINT"}',
    '{"promotionId":1,"totalCount":1,"type":"CASH"}',
    '{}',
  ])('%s starts nothing', json => {
    expect(parseMessage(promotionStartedMessage, json).ok).toBe(false)
  })
})
