import { expect, test } from '@jest/globals'
import type { InsertOutcome, NewGift } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import { createRepair, type MissingGift } from '#promotion/audit/messages/repair.ts'
import { sqlError } from '#test/support/scripted-kysely.ts'

/** Rows that answer so, one after the other; what was inserted, and what was written down as skipped. */
function repairing(...answers: (InsertOutcome | Error)[]) {
  const inserted: NewGift[] = []
  const skipped: object[] = []
  const insert = async (gift: NewGift) => {
    const answer = answers[inserted.push(gift) - 1]!
    if (answer instanceof Error) throw answer
    return answer
  }
  const results = { VOUCHER: { insert } } as unknown as GiftResultRepositories
  const repair = createRepair(results, { insert: async gift => void skipped.push(gift) })
  return { repair, inserted, skipped }
}

const gift = {
  promotionId: '42',
  promotionSummaryId: '1',
  partitionKey: 'k',
  targetId: '5',
  memberId: '7',
  amount: '100',
}
const missing = (fields: Partial<MissingGift> = {}): MissingGift => ({
  ...{ type: 'VOUCHER', topic: 't', partition: 1, offset: '9', value: Buffer.from('what it says'), gift },
  ...fields,
})

test('a lost gift is inserted as it was, without an entry, and its POST is preceded by the GET', async () => {
  const { repair, inserted, skipped } = repairing({ kind: 'inserted', promotionStatus: 'READY', enqueued: false })
  expect(await repair([missing({ timestampMs: 1234 })])).toEqual(['inserted'])
  const place = { kafkaPartition: 1, kafkaOffset: '9', kafkaTimeMs: 1234 }
  expect(inserted).toEqual([{ ...gift, ...place, message: 'what it says', asksFirst: true, wantsEntry: false }])
  expect(skipped).toEqual([])
})

test('where nobody says when it was written, neither does its row', async () => {
  const { repair, inserted } = repairing({ kind: 'duplicate' })
  expect(await repair([missing({ value: null })])).toEqual(['duplicate'])
  expect(inserted).toEqual([expect.objectContaining({ message: '', kafkaTimeMs: null })])
})

test('one that its promotion does not take is written down with the reason', async () => {
  const { repair, skipped } = repairing({ kind: 'skipped', reason: 'promotion-stopped' })
  expect(await repair([missing()])).toEqual(['skipped'])
  const place = { topic: 't', partition: 1, offset: '9' }
  const ids = { promotionId: '42', targetId: '5' }
  expect(skipped).toEqual([{ ...place, ...ids, reason: 'promotion-stopped', message: 'what it says' }])
})

test('one that is refused for its content keeps no other from its place', async () => {
  const { repair } = repairing(sqlError('22003'), { kind: 'target-conflict' })
  expect(await repair([missing(), missing()])).toEqual(['refused', 'target-conflict'])
})

test('a database that is away ends the repair', async () => {
  await expect(repairing(sqlError('57P01')).repair([missing()])).rejects.toMatchObject({ code: '57P01' })
})
