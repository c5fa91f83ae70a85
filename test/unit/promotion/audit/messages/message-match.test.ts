import { describe, expect, test } from '@jest/globals'
import { type Explained, isExpired, matchMessage } from '#promotion/audit/messages/message-match.ts'
import { PlaceSet } from '#promotion/audit/messages/place-set.ts'
import type { RowTable } from '#promotion/audit/row-table.ts'
import { tableOf } from '#test/support/audit-rows.ts'

describe('matchMessage', () => {
  const gift = {
    promotionId: '42',
    promotionSummaryId: '1',
    partitionKey: 'k',
    targetId: '9223372036854775807',
    memberId: '7',
    amount: '100',
  }
  const value = Buffer.from('what it says')
  const message = { topic: 't', partition: 1, offset: '5', gift, value, promotionId: '42' }
  const explained = (): Explained => ({ skipped: new PlaceSet(), invalid: new PlaceSet(4), isInvalidTrimmed: false })
  const judge = (changes: Partial<typeof message>, table: RowTable, known = explained(), scope: string[] = []) =>
    matchMessage({ ...message, ...changes }, table, known, new Set(scope))

  test('its row, the same gift again, another gift for the target, and none', () => {
    expect(judge({}, tableOf({}))).toBe('row')
    expect(judge({}, tableOf({ amount: '101' }))).toBe('differs')
    expect(judge({ offset: '6' }, tableOf({}))).toBe('duplicate')
    expect(judge({ offset: '6' }, tableOf({ memberId: '8' }))).toBe('lost')
    expect(judge({}, tableOf())).toBe('lost')
  })

  test('a row that names no offset is seen by the message that says the same', () => {
    expect(judge({}, tableOf({ kafkaPartition: null, kafkaOffset: null }))).toBe('row')
  })

  test('skipped and invalid ones by where they stand; an unreadable one on a trimmed invalid topic proves nothing', () => {
    const known = explained()
    known.skipped.add('t', 1, '5', known.skipped.contentOf(value))
    known.invalid.add('t', 1, '6', known.invalid.contentOf(value))
    expect(judge({}, tableOf(), known)).toBe('skipped')
    expect(judge({ offset: '6', gift: undefined as never }, tableOf(), known)).toBe('invalid')
    // The topic was made again, and other messages stand there now.
    expect(judge({ value: Buffer.from('something else') }, tableOf(), known)).toBe('lost')
    expect(judge({ offset: '6', value: Buffer.from('some') }, tableOf(), known)).toBe('lost')
    // What the invalid topic keeps of a long value is compared.
    expect(judge({ offset: '6', value: Buffer.from('what ever') }, tableOf(), known)).toBe('invalid')
    expect(judge({ offset: '7', gift: undefined as never }, tableOf(), known)).toBe('lost')
    expect(judge({ gift: undefined as never }, tableOf(), { ...explained(), isInvalidTrimmed: true })).toBe('invalid')
    expect(judge({}, tableOf(), { ...explained(), isInvalidTrimmed: true })).toBe('lost')
  })

  test('what differs from the row of its place is refused by right when the invalid topic says so', () => {
    const known = explained()
    known.invalid.add('t', 1, '5', known.invalid.contentOf(value))
    expect(judge({}, tableOf({ amount: '101' }), known)).toBe('invalid')
  })

  test('no gift, but of a promotion: it is counted there', () => {
    expect(judge({ gift: undefined as never }, tableOf(), explained(), ['42'])).toBe('lost')
    expect(judge({ gift: undefined as never, promotionId: '43' }, tableOf(), explained(), ['42'])).toBe('foreign')
  })

  test('other promotions are left alone', () => {
    expect(judge({}, tableOf(), explained(), ['43'])).toBe('foreign')
    expect(judge({}, tableOf({}), explained(), ['42'])).toBe('row')
  })

  test('a row whose message Kafka no longer keeps is no discrepancy', () => {
    const low = new Map([[1, 10n]])
    expect(isExpired({ kafkaPartition: 1, kafkaOffset: '9' }, low)).toBe(true)
    expect(isExpired({ kafkaPartition: 1, kafkaOffset: '10' }, low)).toBe(false)
    expect(isExpired({ kafkaPartition: 2, kafkaOffset: '0' }, low)).toBe(false)
    expect(isExpired({ kafkaPartition: null, kafkaOffset: null }, low)).toBe(false)
  })
})
