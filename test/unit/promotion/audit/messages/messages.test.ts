import { describe, expect, test } from '@jest/globals'
import { PlaceSet } from '#promotion/audit/messages/place-set.ts'
import type { KeptRecord } from '#test/support/kept-topics.ts'
import { auditTopics, giftOf, LOST, NO_MESSAGES, PASSED, recordOf, rowFor } from '#test/support/message-audit.ts'

describe('messages and rows', () => {
  test('that say the same balance, and what was read is told as it is read', async () => {
    const vouchers = [{ records: [recordOf(1), recordOf(2)] }, { records: [recordOf(7)] }]
    const rows = [rowFor(1), rowFor(2), rowFor(7, { kafkaPartition: 1 })]
    const { counts, discrepancies, asked, progress, read } = await auditTopics({
      vouchers,
      rows,
      invalid: [{ records: [] }],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 3 })
    expect([discrepancies, asked, read]).toEqual([[], [], ['vouchers']])
    expect(progress).toEqual(['messages', 3, 2, 1, 'end'])
  })

  test('of each type are those of its topic', async () => {
    const points = [{ records: [{ offset: 1, value: giftOf('1') }] }]
    const { counts, discrepancies } = await auditTopics({ points, rows: [rowFor(1)] })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 1 })
    expect(discrepancies).toEqual([
      { ...LOST, type: 'POINT', topic: 'points', offset: '1', detail: expect.stringContaining('cannot be a gift') },
      expect.objectContaining({ kind: 'row-without-message', type: 'VOUCHER', targetId: '1' }),
    ])
  })

  test('of the same target are told apart: the same gift again, and another one', async () => {
    const again = { offset: 2, value: giftOf(1) }
    const other = { offset: 3, value: giftOf(1, { amount: '999' }) }
    const { counts, discrepancies } = await auditTopics({
      vouchers: [{ records: [recordOf(1), again, other] }],
      rows: [rowFor(1)],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 3, duplicates: 1 })
    const detail = 'its target has a row with another promotion, member or amount'
    expect(discrepancies).toEqual([{ ...LOST, targetId: '1', offset: '3', detail }])
  })

  test('that differ though one came from the other are named without a reason', async () => {
    const { counts, discrepancies } = await auditTopics({
      vouchers: [{ records: [recordOf(1)] }],
      rows: [rowFor(1, { memberId: '8' })],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 1 })
    expect(discrepancies).toStrictEqual([{ ...LOST, kind: 'row-differs-from-message', targetId: '1', offset: '1' }])
  })

  test('of other promotions than those asked for are not counted', async () => {
    const records = [recordOf(1), recordOf(2, { promotionId: '43' }), { offset: 3, value: '{"promotionId":"42"}' }]
    const { counts, discrepancies } = await auditTopics({ vouchers: [{ records }], rows: [rowFor(1)], scope: ['42'] })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 2 })
    const detail = 'it cannot be a gift, and is not on the invalid topic'
    expect(discrepancies).toEqual([{ ...LOST, offset: '3', detail }])
  })
})

describe('what became no row by right', () => {
  const content = (value: string) => new PlaceSet().contentOf(Buffer.from(value))
  const invalidOf = (n: number, fields: object = {}): KeptRecord => {
    const valueBase64 = Buffer.from(giftOf(n)).toString('base64')
    return {
      offset: n,
      value: JSON.stringify({ topic: 'vouchers', partition: 0, offset: String(n), valueBase64, ...fields }),
    }
  }

  test('is accounted for by what was skipped and by the invalid topic', async () => {
    const { counts, discrepancies, read } = await auditTopics({
      vouchers: [{ records: [recordOf(1), recordOf(2), recordOf(3)] }],
      invalid: [{ records: [invalidOf(2)] }],
      skipped: [{ topic: 'vouchers', partition: 0, offset: '1', content: content(giftOf(1)) }],
      rows: [rowFor(3)],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 3, skipped: 1, invalid: 1 })
    expect([discrepancies, read]).toEqual([[], ['invalid', 'vouchers']])
  })

  test.each<[string, object]>([
    ['another topic', { topic: 'points' }],
    ['another place', { offset: '3' }],
    ['another partition', { partition: 1 }],
    ['no topic', { topic: undefined }],
    ['no partition', { partition: 0.5 }],
    ['no offset', { offset: 'x' }],
    ['no value', { valueBase64: undefined }],
    ['another value', { valueBase64: 'eA==' }],
  ])('is not what a record of the invalid topic says of %s', async (_name, fields) => {
    const { discrepancies } = await auditTopics({
      vouchers: [{ records: [recordOf(2)] }],
      invalid: [{ records: [invalidOf(2, fields)] }],
    })
    expect(discrepancies).toEqual([expect.objectContaining({ targetId: '2', detail: PASSED })])
  })

  test('is not what a record of the invalid topic says that nobody can read', async () => {
    const invalid = [{ records: [{ offset: 0, value: 'nothing' }, { offset: 1, value: null }, invalidOf(2)] }]
    expect((await auditTopics({ vouchers: [{ records: [recordOf(2)] }], invalid })).counts).toEqual({
      ...NO_MESSAGES,
      messages: 1,
      invalid: 1,
    })
  })

  test.each([
    [0, 0],
    [1, 1],
  ])('is what cannot be read once the invalid topic begins at %i', async (low, invalid) => {
    const { counts, discrepancies } = await auditTopics({
      vouchers: [{ records: [{ offset: 1, value: 'nothing' }] }],
      invalid: [{ records: [], low }],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 1, invalid })
    expect(discrepancies).toHaveLength(1 - invalid)
  })
})

describe('a topic that does not exist', () => {
  test('is refused where there are rows of its type', async () => {
    await expect(auditTopics({ without: ['vouchers'], rows: [rowFor(1)] })).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_MISSING',
    })
  })

  test('is one without messages where there are none', async () => {
    expect((await auditTopics({ without: ['vouchers', 'points', 'invalid'] })).counts).toEqual(NO_MESSAGES)
  })
})
