import { describe, expect, test } from '@jest/globals'
import { createMemberMask } from '#admin/member-mask.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'

const MEMBER = '9007199254740993'
const gift = {
  ...{ id: '1', type: 'VOUCHER', promotionId: '42', promotionSummaryId: '7', targetId: '11', amount: '100' },
  ...{ partitionKey: `member-${MEMBER}`, memberId: MEMBER, message: `{"memberId":"${MEMBER}"}` },
  ...{ processStatus: 'FAILED', moneyKey: null, attempts: 1, errorCode: 'HTTP_422' },
  ...{ errorMessage: `member ${MEMBER} is closed`, enqueued: true, kafkaPartition: 0, kafkaOffset: '1' },
  ...{ createdAt: '', updatedAt: '' },
} as GiftRecord

describe('ADMIN_MEMBER_IDS_MASKED', () => {
  const mask = createMemberMask(true)

  test('a viewer, and the board, see two digits of a member, and nothing else that holds its id', () => {
    for (const identity of [{ name: 'vera', role: 'viewer' } as const, null, undefined]) {
      const seen = mask.gift(gift, identity)
      expect(JSON.stringify(seen)).not.toContain(MEMBER)
      expect(seen).toMatchObject({ memberId: '**************93', targetId: '11', amount: '100', errorCode: 'HTTP_422' })
    }
    expect(mask.message({ id: '1-1', message: gift.message }, null)).toEqual({
      id: '1-1',
      message: expect.not.stringContaining(MEMBER),
    })
    expect(mask.gift({ ...gift, memberId: '123' }, null).memberId).toBe('***')
    expect(mask.gift({ ...gift, errorMessage: 'closed' }, null).errorMessage).toBe('closed')
  })

  test('an operator sees all, and so does everybody where it is off', () => {
    expect(mask.gift(gift, { name: 'otto', role: 'operator' })).toEqual(gift)
    expect(createMemberMask(false).gift(gift, null)).toEqual(gift)
  })
})
