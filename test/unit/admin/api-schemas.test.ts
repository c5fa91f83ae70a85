import { expect, test } from '@jest/globals'
import { concurrencyBody, id, newPromotion, pageQuery } from '#admin/api-schemas.ts'
import { parseExact } from '#runtime/exact-json.ts'

const hostile = { rawJSON: { toString: 1, valueOf: 1 } }

test.each(['totalCount', 'maxGiftCount', 'maxTotalAmount', 'weight'])(
  'an object as %s is refused, not thrown at',
  field => {
    expect(newPromotion.safeParse({ id: '1', type: 'POINT', [field]: hostile }).success).toBe(false)
  },
)

test('an object as the slots is refused, not thrown at', () => {
  expect(concurrencyBody.safeParse({ consumersPerInstance: hostile }).success).toBe(false)
})

test.each(['a'.repeat(19), '\0', '', '9'.repeat(40), '9223372036854775808', '1 '])(
  '%j as an id and as a cursor is refused, not thrown at',
  text => {
    expect(id.safeParse(text).success).toBe(false)
    expect(pageQuery.safeParse({ cursor: text }).success).toBe(false)
  },
)

test('the greatest id is one', () => {
  expect(id.parse('9223372036854775807')).toBe('9223372036854775807')
  expect(pageQuery.parse({ cursor: '9223372036854775807' }).cursor).toBe('9223372036854775807')
})

test('an id that is no string of digits is told to be one, whatever it is', () => {
  for (const given of ['42', '"0"', 'null', '{}']) {
    const { error } = newPromotion.safeParse(parseExact(`{"id":${given},"type":"VOUCHER"}`))
    const told = error?.issues.map(({ path, message }) => [path.join('.'), message])
    expect([given, told]).toEqual([given, [['id', 'must be an integer from 1 to 2^63-1, as a string of digits']]])
  }
})
