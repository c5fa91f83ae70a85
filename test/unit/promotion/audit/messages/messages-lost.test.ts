import { describe, expect, test } from '@jest/globals'
import type { MissingGift, RepairOutcome } from '#promotion/audit/messages/repair.ts'
import {
  auditTopics,
  LOST,
  NO_MESSAGES,
  NOT_YET,
  numbers,
  PASSED,
  recordOf,
  rowFor,
} from '#test/support/message-audit.ts'

describe('a message without a row', () => {
  const TWO = [{ records: [recordOf(1), recordOf(2)] }]

  test('is named with what became of it', async () => {
    const { counts, discrepancies } = await auditTopics({ vouchers: TWO, committed: [2] })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 2 })
    expect(discrepancies).toEqual([
      { ...LOST, targetId: '2', offset: '2', detail: NOT_YET },
      { ...LOST, targetId: '1', offset: '1', detail: PASSED },
    ])
  })

  test('of a partition of which nothing was ever committed has no reason', async () => {
    const { discrepancies } = await auditTopics({ vouchers: [{ records: [recordOf(1)] }], committed: [] })
    expect(discrepancies).toEqual([{ ...LOST, targetId: '1', offset: '1' }])
  })

  test('whose row came after the rows were read is no part of the account', async () => {
    const { counts, discrepancies, asked } = await auditTopics({
      vouchers: TWO,
      now: [rowFor(1), rowFor(2, { memberId: '8' })],
    })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 1 })
    expect(discrepancies).toEqual([
      expect.objectContaining({ targetId: '2', detail: expect.stringContaining('another') }),
    ])
    expect(asked).toEqual([2])
  })

  test.each(['promotionId', 'amount'])('whose target has another %s by now is named', async field => {
    const { counts, discrepancies } = await auditTopics({
      vouchers: [{ records: [recordOf(1)] }],
      now: [rowFor(1, { [field]: '43' })],
    })
    expect([counts.messages, discrepancies.length]).toEqual([1, 1])
  })

  test('that is no gift is not looked up, and says of which promotion it is where it does', async () => {
    const records = [
      { offset: 1, value: 'nothing' },
      { offset: 2, value: '{"promotionId":"42"}' },
      { offset: 3, value: null },
    ]
    const { counts, discrepancies, asked } = await auditTopics({ vouchers: [{ records }] })
    const { promotionId: _, ...place } = LOST
    const detail = 'it cannot be a gift, and is not on the invalid topic'
    expect([counts, asked]).toEqual([{ ...NO_MESSAGES, messages: 3 }, []])
    expect(discrepancies).toEqual([
      { ...place, offset: '1', detail },
      { ...LOST, offset: '2', detail },
      { ...place, offset: '3', detail },
    ])
  })

  test('is looked up again in pages while it is read, and none is left out', async () => {
    const vouchers = [
      { records: numbers(1, 501).map(n => recordOf(n)) },
      { records: numbers(502, 1300).map(n => recordOf(n)) },
    ]
    const { counts, discrepancies, ...told } = await auditTopics({ vouchers, committed: [2000, 2000] })
    expect([counts.messages, discrepancies.length]).toEqual([1300, 1300])
    expect(told).toMatchObject({ asked: [500, 500, 300], askedWhenRead: [0, 1] })
    expect(told.progress).toEqual(['messages', 1300, 501, 799, 'end'])
  })
})

describe('a row without a message', () => {
  const row = { kind: 'row-without-message', type: 'VOUCHER', promotionId: '42', status: 'SUCCESS' }

  test('is named with the place that it names; what Kafka no longer keeps proves nothing', async () => {
    const nowhere = [rowFor(7, { kafkaPartition: null, kafkaOffset: null }), rowFor(8, { kafkaOffset: null })]
    const rows = [rowFor(1), rowFor(5), rowFor(6), ...nowhere]
    const { counts, discrepancies, asked } = await auditTopics({ vouchers: [{ records: [recordOf(6)], low: 5 }], rows })
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 1, expired: 1 })
    expect(discrepancies).toEqual([
      { ...row, targetId: '5', topic: 'vouchers', partition: 0, offset: '5' },
      { ...row, targetId: '7', detail: 'it names no partition and offset' },
      { ...row, targetId: '8', detail: 'it names no partition and offset' },
    ])
    expect(asked).toEqual([4])
  })

  test('that is gone by now names no place', async () => {
    const { discrepancies } = await auditTopics({ rows: [rowFor(1)], now: [] })
    expect(discrepancies).toEqual([{ ...row, targetId: '1', detail: 'it names no partition and offset' }])
  })

  test('is looked up in pages, the last one too', async () => {
    const records = numbers(1, 400).map(n => recordOf(n))
    const { discrepancies, asked } = await auditTopics({
      vouchers: [{ records }],
      rows: numbers(1, 1000).map(n => rowFor(n)),
    })
    expect([discrepancies.length, asked]).toEqual([600, [500, 100]])
    const few = await auditTopics({ vouchers: [{ records }], rows: numbers(1, 400).map(n => rowFor(n)) })
    expect([few.discrepancies, few.asked]).toEqual([[], []])
  })
})

describe('a repair', () => {
  test('is given what the listener has passed, and what it does not put back is named', async () => {
    const given: MissingGift[] = []
    const outcomes: RepairOutcome[] = ['inserted', 'duplicate', 'skipped', 'target-conflict', 'refused']
    const records = [...numbers(1, 6).map(n => recordOf(n)), { offset: 7, value: 'nothing' }]
    const { counts, discrepancies } = await auditTopics({
      ...{ vouchers: [{ records }], committed: [6] },
      repair: async missing => {
        given.push(...missing)
        return outcomes
      },
    })
    expect(given.map(({ type, offset, gift }) => [type, offset, gift.targetId])).toEqual(
      numbers(1, 5).map(n => ['VOUCHER', String(n), String(n)]),
    )
    expect(counts).toEqual({ ...NO_MESSAGES, messages: 7, repaired: 3 })
    expect(discrepancies.map(({ offset, detail }) => [offset, detail])).toEqual([
      ['6', NOT_YET],
      ['7', NOT_YET],
      ['4', PASSED],
      ['5', PASSED],
    ])
  })

  test('is not asked for nothing', async () => {
    const repair = async () => {
      throw new Error('asked')
    }
    expect(
      (await auditTopics({ vouchers: [{ records: [recordOf(1)] }], committed: [1], repair })).discrepancies,
    ).toHaveLength(1)
    const changed = [rowFor(1, { amount: '1' })]
    expect(
      (await auditTopics({ vouchers: [{ records: [recordOf(1)] }], now: changed, repair })).discrepancies,
    ).toHaveLength(1)
  })
})
