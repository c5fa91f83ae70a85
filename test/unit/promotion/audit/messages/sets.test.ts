import { describe, expect, test } from '@jest/globals'
import { readGift } from '#promotion/audit/messages/gift-reader.ts'
import { OffsetSet } from '#promotion/audit/messages/offset-set.ts'
import { PlaceSet } from '#promotion/audit/messages/place-set.ts'

describe('OffsetSet', () => {
  test('tells offsets, partitions and topics apart, up to 2^63-1', () => {
    const set = new OffsetSet()
    const last = String(2n ** 63n - 1n)
    for (const offset of ['0', '65536', '9007199254740993', last, last]) set.add('a', 0, offset)
    expect(set.size).toBe(4)
    expect(['0', '65536', '9007199254740993', last].every(offset => set.has('a', 0, offset))).toBe(true)
    expect(set.has('a', 0, '9007199254740992') || set.has('a', 1, '0') || set.has('b', 0, '0')).toBe(false)
  })
})

test('PlaceSet tells many messages apart by place and content', () => {
  const set = new PlaceSet()
  const value = (n: number) => Buffer.from(`message ${n}`)
  for (let n = 0; n < 5000; n++) set.add('t', 0, String(n % 1000), set.contentOf(value(n)))
  set.add('t', 0, '0', set.contentOf(value(0)))
  expect(set.size).toBe(5000)
  for (let n = 0; n < 5000; n += 7) {
    expect(set.has('t', 0, String(n % 1000), value(n))).toBe(true)
    expect(set.has('t', 0, String((n + 1) % 1000), value(n))).toBe(false)
    expect(set.has('t', 1, String(n % 1000), value(n))).toBe(false)
  }
})

describe('readGift', () => {
  test('reads what the listener reads, exactly, and nothing else', () => {
    const fields = { promotionId: 1, promotionSummaryId: 2, partitionKey: 'k', memberId: 3, amount: 4 }
    const json = JSON.stringify({ ...fields, pointTargetId: '9007199254740993' }).replace(
      '"9007199254740993"',
      '9007199254740993',
    )
    expect(readGift('POINT', Buffer.from(json))).toMatchObject({ targetId: '9007199254740993', amount: '4' })
    expect(readGift('VOUCHER', json)).toBeUndefined()
    for (const value of [null, Buffer.from([0xff]), Buffer.from('{'), Buffer.from('[]')])
      expect(readGift('POINT', value)).toBeUndefined()
  })
})
