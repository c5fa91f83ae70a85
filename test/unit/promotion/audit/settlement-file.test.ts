import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, describe, expect, test } from '@jest/globals'
import { readSettlement, type SettledCharge } from '#promotion/audit/settlement-file.ts'

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

  test('`-` is standard input, and named so where it cannot be read', async () => {
    const { stdin } = process
    const readStdin = async (text: string) => {
      Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from(text)]), configurable: true })
      const charges: SettledCharge[] = []
      for await (const charge of readSettlement('-')) charges.push(charge)
      return charges
    }
    try {
      expect(await readStdin(`${JSON.stringify(two)}\n`)).toEqual([two])
      await expect(readStdin(`${JSON.stringify(two)}\n{}\n`)).rejects.toThrow(/^standard input, line 2: /)
    } finally {
      Object.defineProperty(process, 'stdin', { value: stdin, configurable: true })
    }
  })

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

  test('a long file: every charge in its order, and the line of an error far down', async () => {
    const charges = Array.from({ length: 5000 }, (_, at) => ({ ...two, key: `POINT:${at + 1}` }))
    const text = charges.map(charge => `${JSON.stringify(charge)}\n`).join('')
    expect(await read(text)).toEqual(charges)
    await expect(read(`${text}{}\n${text}`)).rejects.toThrow('line 5001: ')
  })

  test('a file that is not there', async () => {
    await expect(readSettlement(join(folder, 'none')).next()).rejects.toMatchObject({ code: 'SETTLEMENT_UNREADABLE' })
  })
})
