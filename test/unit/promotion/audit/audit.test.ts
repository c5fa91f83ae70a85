import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import type { AuditRow } from '#database/gifts/audit-rows.ts'
import { judgeCharges, targetOfKey } from '#promotion/audit/charge-match.ts'
import { Discrepancies } from '#promotion/audit/discrepancies.ts'
import { readGift } from '#promotion/audit/messages/gift-reader.ts'
import { type Explained, isExpired, matchMessage } from '#promotion/audit/messages/message-match.ts'
import { OffsetSet } from '#promotion/audit/messages/offset-set.ts'
import { PlaceSet } from '#promotion/audit/messages/place-set.ts'
import { describeReport } from '#promotion/audit/report.ts'
import { MARK, RowTable } from '#promotion/audit/row-table.ts'
import { readSettlement, type SettledCharge } from '#promotion/audit/settlement-file.ts'

const rowOf = (fields: Partial<AuditRow> = {}): AuditRow => ({
  targetId: '9223372036854775807',
  promotionId: '42',
  memberId: '7',
  amount: '100',
  processStatus: 'SUCCESS',
  moneyKey: 'tx-1',
  attempts: 1,
  enqueued: true,
  isOld: false,
  kafkaPartition: 1,
  kafkaOffset: '5',
  ...fields,
})
const tableOf = (...rows: Partial<AuditRow>[]) => {
  const table = new RowTable(rows.length, true)
  for (const row of rows) table.add(rowOf(row))
  return table
}

describe('RowTable', () => {
  test('finds each of many rows by its target, ids that a number would round included', () => {
    const first = 2n ** 63n - 60_001n
    const table = new RowTable(10, true)
    for (let index = 0n; index < 60_000n; index++) table.add(rowOf({ targetId: String(first + index) }))
    expect(table.size).toBe(60_000)
    for (let index = 0; index < 60_000; index += 7) expect(table.find(String(first + BigInt(index)))).toBe(index)
    expect(table.targetId(59_999)).toBe(String(first + 59_999n))
    expect([table.find(String(first - 1n)), table.find('1')]).toEqual([-1, -1])
  })
})

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

describe('judgeCharges', () => {
  const judged = (row: Partial<AuditRow>, ...charges: { transactionKey: string; amount?: string }[]) => {
    const table = tableOf(row)
    for (const charge of charges) table.noteCharge(0, charge)
    const discrepancies = new Discrepancies(10)
    const doubtful: number[] = []
    const once = judgeCharges('VOUCHER', table, discrepancies, at => doubtful.push(at))
    return { once, doubtful: doubtful.length, kinds: discrepancies.listed.map(({ kind }) => kind) }
  }
  const charge = { transactionKey: 'tx-1', amount: '100' }

  test.each([
    ['paid', {}, [charge], 1, []],
    ['paid, amount not known', {}, [{ transactionKey: 'tx-1' }], 1, []],
    ['not paid', {}, [], 0, ['success-without-charge']],
    ['paid twice', {}, [charge, charge], 0, ['double-charge']],
    [
      'another amount that hashes alike',
      { amount: '40189' },
      [{ ...charge, amount: '797186' }],
      1,
      ['charge-amount-differs'],
    ],
    ['another amount', {}, [{ ...charge, amount: '101' }], 1, ['charge-amount-differs']],
    ['another transaction', {}, [{ ...charge, transactionKey: 'tx-2' }], 1, ['money-key-differs']],
    ['SUCCESS without a key', { moneyKey: null }, [charge], 1, ['money-key-differs']],
    ['FAILED and paid', { processStatus: 'FAILED' as const, moneyKey: null }, [charge], 0, ['failed-with-charge']],
    ['FAILED', { processStatus: 'FAILED' as const }, [], 0, []],
    ['PENDING', { processStatus: 'PENDING' as const }, [], 0, []],
  ])('%s', (_name, row, charges, once, kinds) => {
    expect(judged(row, ...charges)).toEqual({ once, doubtful: 0, kinds })
  })

  test.each(['PENDING', 'RETRYING', 'UNKNOWN'] as const)('%s and paid: looked up again before it is called', state => {
    expect(judged({ processStatus: state, moneyKey: null }, charge)).toEqual({ once: 0, doubtful: 1, kinds: [] })
  })

  test('SUCCESS that the Money API did not answer for: not reported', () => {
    const table = tableOf({})
    table.mark(0, MARK.unanswered)
    const discrepancies = new Discrepancies(10)
    expect(judgeCharges('VOUCHER', table, discrepancies, () => undefined)).toBe(0)
    expect(discrepancies.listed).toEqual([])
  })

  test('keys that are not ours name no target', () => {
    expect(targetOfKey('POINT:9223372036854775807')).toEqual({ type: 'POINT', targetId: '9223372036854775807' })
    for (const key of ['POINT:', 'POINT:01', 'POINT:9223372036854775808', 'point:1', 'VOUCHER:1:2', 'OTHER:1'])
      expect(targetOfKey(key)).toBeUndefined()
  })
})

describe('Discrepancies', () => {
  test('all are counted, a bounded number is listed, and every kind is among them', () => {
    const discrepancies = new Discrepancies(4)
    for (let index = 0; index < 10; index++) discrepancies.add({ kind: 'message-without-row', offset: String(index) })
    discrepancies.add({ kind: 'double-charge' })
    discrepancies.addUnlisted('summary-counter-off', 3)
    expect(discrepancies.total).toBe(14)
    expect(discrepancies.listed.map(({ kind }) => kind)).toEqual([
      ...['message-without-row', 'message-without-row', 'message-without-row'],
      'double-charge',
    ])
  })
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

describe('readSettlement', () => {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-settlement-'))
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const read = async (text: string) => {
    const file = join(folder, 'settlement')
    await writeFile(file, text)
    const charges: SettledCharge[] = []
    for await (const charge of readSettlement(file)) charges.push(charge)
    return charges
  }
  const [one, two] = [
    { key: 'VOUCHER:1', transactionKey: 'tx,1', amount: '9223372036854775807' },
    { key: 'POINT:2', transactionKey: 'tx"2"', amount: '5' },
  ]

  test('CSV: columns by name, quoted fields, a byte-order mark, CRLF, no last line end', async () => {
    const text = `\uFEFFamount,memo,key,transactionKey\r\n${one.amount},"a, b",VOUCHER:1,"tx,1"\r\n\r\n5,,POINT:2,"tx""2"""`
    expect(await read(text)).toEqual([one, two])
  })

  test('JSON lines: other fields are left alone, an amount may be a number and stays exact', async () => {
    const lines = [JSON.stringify({ type: 'VOUCHER', ...one }), JSON.stringify(two)].map(line => `${line}\n`)
    expect(await read(lines.join('').replace(`"${one.amount}"`, one.amount))).toEqual([one, two])
  })

  test.each([
    ['no column of that name', 'key,amount\nVOUCHER:1,5', 'line 1: the first line must name the columns'],
    ['a negative amount', 'key,transactionKey,amount\nVOUCHER:1,tx,-5', 'line 2: amount must be an integer'],
    ['a line too short', 'key,transactionKey,amount\nVOUCHER:1', 'line 2: transactionKey'],
    ['not JSON', '{"key":"VOUCHER:1","transactionKey":"t","amount":"1"}\n{"key"', 'line 2: not JSON'],
  ])('%s is one line that says where', async (_name, text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'SETTLEMENT_UNREADABLE',
      message: expect.stringContaining(message),
    })
  })

  test('a file that is not there', async () => {
    await expect(readSettlement(join(folder, 'none')).next()).rejects.toMatchObject({ code: 'SETTLEMENT_UNREADABLE' })
  })
})

describe('describeReport', () => {
  test('a balanced one is one line', () => {
    const states = { PENDING: 0, RETRYING: 0, SUCCESS: 5, FAILED: 0, UNKNOWN: 0 }
    const zero = {
      duplicates: 0,
      skipped: 0,
      invalid: 0,
      expired: 0,
      repaired: 0,
      unanswered: 0,
      missing: 0,
      double: 0,
      attempts: 5,
    }
    const report = {
      ok: true,
      messages: 5,
      rows: 5,
      states,
      chargedOnce: 5,
      counts: {},
      discrepancies: [],
      truncated: false,
      ...zero,
    }
    expect(describeReport(report)).toEqual(['5 messages, 5 rows, 5 charged once, 0 missing, 0 double'])
    const worse = {
      ...report,
      counts: { 'double-charge': 2 },
      double: 2,
      discrepancies: [{ kind: 'double-charge' as const, targetId: '1', charges: 2 }],
    }
    expect(describeReport(worse)).toEqual([
      'double-charge: 2 targets that were charged more than once',
      '  targetId 1  charges 2',
      '  … and 1 more (--limit)',
      '5 messages, 5 rows, 5 charged once, 0 missing, 2 double',
    ])
  })
})
