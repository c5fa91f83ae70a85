import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import type { SealedRow } from '#database/gifts/sealed-rows.ts'
import { CHUNK_GIFTS, chunkOf, leafOf, readAccount, sealedGift } from '#promotion/seal/account.ts'
import { rootOf } from '#promotion/seal/merkle.ts'
import { makeReceipt, verifyReceipt } from '#promotion/seal/receipt.ts'
import { signSeal } from '#promotion/seal/statement.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

const PROMOTION = { id: '42', type: 'VOUCHER' } as const
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const rowOf = (id: number, fields: Partial<SealedRow> = {}): SealedRow => ({
  ...{ id: String(id), targetId: String(1000 + id), memberId: '7', amount: '100', processStatus: 'SUCCESS' },
  ...{ moneyKey: `tx-${id}`, kafkaPartition: 3, kafkaOffset: String(id) },
  ...fields,
})
const rowsOf = (count: number) => Array.from({ length: count }, (_, index) => rowOf(index + 1))

/** The account of these rows, as the database gives them page by page. */
const accountOf = (rows: readonly SealedRow[]) => {
  const left = [...rows]
  return readAccount(scriptedKysely(() => left.splice(0, 2 * CHUNK_GIFTS)).kysely, PROMOTION)
}

const STATEMENT = {
  promotionId: '42',
  type: 'VOUCHER',
  sequence: 1,
  previousRoot: null,
  sealedAt: new Date(0).toISOString(),
}

/** Receipts of a sealed account. */
async function sealed(rows: readonly SealedRow[], of = STATEMENT) {
  const account = await accountOf(rows)
  const seal = signSeal(of, account, pem)
  const chunkRoots = account.chunks.map(({ root }) => root)
  return (index: number) => {
    const chunk = Math.floor(index / CHUNK_GIFTS)
    const gifts = rows.slice(chunk * CHUNK_GIFTS, (chunk + 1) * CHUNK_GIFTS).map(row => sealedGift(PROMOTION, row))
    const place = index % CHUNK_GIFTS
    const gift = gifts[place]!
    return makeReceipt({ gift, leaves: gifts.map(leafOf), place, chunkRoots, chunk, seal })
  }
}

describe('the account of a promotion', () => {
  test('counts its gifts by their end, and sums what was paid, exact to the digit', async () => {
    const account = await accountOf([
      rowOf(1, { amount: '9007199254740993' }),
      rowOf(2, { amount: '9007199254740993' }),
      rowOf(3, { processStatus: 'FAILED', moneyKey: null }),
      rowOf(4, { processStatus: 'UNKNOWN', moneyKey: null }),
    ])
    expect(account).toMatchObject({ gifts: 4, success: 2, failed: 1, amount: '18014398509481986' })
    expect(account.chunks.map(({ lastRowId }) => lastRowId)).toEqual(['4'])
  })

  test('has one root, however many pages and chunks its rows came in', async () => {
    const rows = rowsOf(2 * CHUNK_GIFTS + 5)
    const account = await accountOf(rows)
    expect(account.chunks.map(({ lastRowId }) => lastRowId)).toEqual(['1024', '2048', '2053'])
    expect(account.root).toEqual(rootOf(rows.map(row => leafOf(sealedGift(PROMOTION, row)))))
    expect(account.gifts).toBe(rows.length)
  })

  test('without a gift is one all the same', async () => {
    expect(await accountOf([])).toMatchObject({ gifts: 0, chunks: [], root: rootOf([]), amount: '0' })
    expect(chunkOf(PROMOTION, [])).toEqual({ lastRowId: '0', root: rootOf([]) })
  })

  test('is another one when anything of a gift is', () => {
    const row = rowOf(1)
    const changes: Partial<SealedRow>[] = [
      ...[{ id: '2' }, { targetId: '2' }, { memberId: '8' }, { amount: '101' }, { processStatus: 'FAILED' as const }],
      ...[{ moneyKey: 'tx-2' }, { moneyKey: null }, { kafkaPartition: 0 }, { kafkaPartition: null }],
      ...[{ kafkaOffset: '2' }, { kafkaOffset: null }],
    ]
    const roots = [{}, ...changes].map(change => chunkOf(PROMOTION, [{ ...row, ...change }]).root.toString('hex'))
    roots.push(chunkOf({ ...PROMOTION, type: 'POINT' }, [row]).root.toString('hex'))
    roots.push(chunkOf({ ...PROMOTION, id: '43' }, [row]).root.toString('hex'))
    expect(new Set(roots).size).toBe(roots.length)
  })

  test('says what a row does not name as nothing, and the place 0 as 0', () => {
    expect(sealedGift(PROMOTION, rowOf(1, { kafkaPartition: 0 }))).toMatchObject({ partition: '0', charge: 'tx-1' })
    const empty = rowOf(1, { kafkaPartition: null, kafkaOffset: null, moneyKey: null })
    expect(sealedGift(PROMOTION, empty)).toMatchObject({ partition: null, offset: null, charge: null })
  })
})

describe('a receipt', () => {
  test('of any gift, first or last of a chunk, proves itself and nothing else', async () => {
    const receiptOf = await sealed(rowsOf(2 * CHUNK_GIFTS + 5))
    for (const index of [0, 1, CHUNK_GIFTS - 1, CHUNK_GIFTS, 2 * CHUNK_GIFTS, 2 * CHUNK_GIFTS + 4]) {
      const receipt = receiptOf(index)
      expect(receipt.index).toBe(index)
      const { gift, seal } = verifyReceipt(JSON.parse(JSON.stringify(receipt)))
      expect([gift.row, seal.gifts]).toEqual([String(index + 1), '2053'])
      expect(() => verifyReceipt({ ...receipt, index: index + 1 })).toThrow(/not in the sealed account/)
      expect(() => verifyReceipt({ ...receipt, path: receipt.path.slice(1) })).toThrow(/not in the sealed account/)
      expect(() => verifyReceipt({ ...receipt, gift: { ...gift, amount: '999' } })).toThrow(/not in the sealed account/)
    }
  })

  test.each([
    ['another promotion', { promotionId: '43' }],
    ['another type', { type: 'POINT' }],
  ])('with the seal of %s proves nothing', async (_name, other) => {
    const receipt = (await sealed(rowsOf(3), { ...STATEMENT, ...other }))(1)
    expect(() => verifyReceipt(receipt)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }))
    expect(() => verifyReceipt(receipt)).toThrow(/different promotions/)
  })

  test('of another form is refused, with the place of what is wrong', async () => {
    const receipt = (await sealed(rowsOf(3)))(1)
    const { charge: _, ...gift } = receipt.gift
    for (const [value, where] of [
      [null, /no receipt: it:/],
      [{ ...receipt, format: 'promostream-receipt-2' }, /format/],
      [{ ...receipt, more: 1 }, /no receipt/],
      [{ ...receipt, gift }, /gift\.charge/],
      [{ ...receipt, gift: { ...receipt.gift, more: '1' } }, /gift/],
      [{ ...receipt, index: -1 }, /index/],
      [{ ...receipt, path: ['zz'] }, /path\.0/],
      [{ ...receipt, path: ['A'.repeat(64)] }, /path\.0/],
      [{ ...receipt, seal: { ...receipt.seal, more: '1' } }, /seal/],
    ] as const) {
      expect(() => verifyReceipt(value)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }))
      expect(() => verifyReceipt(value)).toThrow(where)
    }
  })
})
