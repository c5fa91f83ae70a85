import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import type { SealedRow } from '#database/gifts/sealed-rows.ts'
import type { StoredSeal } from '#database/promotions/seals.ts'
import { CHUNK_GIFTS } from '#promotion/seal/account.ts'
import { verifyReceipt } from '#promotion/seal/receipt.ts'
import { checkSeal, receiptOf, sealPromotion, sealRound } from '#promotion/seal/seal.ts'
import { readSeal } from '#promotion/seal/statement.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { type AskedStatement, scriptedKysely } from '#test/support/scripted-kysely.ts'

const PROMOTION = { id: '42', type: 'VOUCHER' } as const
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const rowOf = (id: number, fields: Partial<SealedRow> = {}): SealedRow => ({
  ...{ id: String(id), targetId: String(10_000 + id), memberId: '7', amount: '100', processStatus: 'SUCCESS' },
  ...{ moneyKey: `tx-${id}`, kafkaPartition: 3, kafkaOffset: String(id) },
  ...fields,
})
const rowsOf = (count: number) => Array.from({ length: count }, (_, index) => rowOf(index + 1))

/** A database with these rows of promotion 42, and the seals that it is given. */
function sealing(rows: SealedRow[]) {
  const world = {
    ...{ rows, seals: [] as StoredSeal[], toSeal: [] as { id: string; type: PromotionType }[] },
    /** Targets that have a row of points too. */
    points: [] as string[],
    /** Promotions whose rows cannot be read. */
    broken: [] as string[],
    ...{ isLocked: false, isOvertaken: false },
  }
  const pageOf = ({ sql, parameters: [promotionId, , afterId, last] }: AskedStatement) => {
    if (world.broken.includes(String(promotionId))) throw new Error('rows cannot be read')
    const behind = world.rows.filter(({ id }) => BigInt(id) > BigInt(String(afterId)))
    if (sql.includes('limit')) return behind.slice(0, Number(last))
    return behind.filter(({ id }) => BigInt(id) <= BigInt(String(last)))
  }
  const insert = ({ parameters }: AskedStatement) => {
    if (world.isOvertaken) return []
    const [promotionId, sequence, root, , success, failed, statement, signature, publicKey, chunkRoots, chunkLastIds] =
      parameters as [string, number, Buffer, string, string, string, string, Buffer, Buffer, Buffer, string[]]
    world.seals.push({
      ...{ promotionId, sequence, root, success, failed, statement, signature, publicKey, chunkRoots, chunkLastIds },
    })
    return [{ sequence }]
  }
  const { kysely, asked } = scriptedKysely(statement => {
    const { sql, parameters } = statement
    if (sql.startsWith('select p.id')) return world.toSeal.slice(0, Number(parameters[0]))
    if (sql.includes('pg_try_advisory_lock')) return [{ locked: !world.isLocked }]
    if (sql.startsWith('insert into')) return insert(statement)
    if (sql.includes('from campaign_promotion_seal')) {
      return world.seals.filter(({ promotionId }) => promotionId === parameters[0]).slice(-1)
    }
    if (sql.startsWith('(select')) return pageOf(statement)
    if (!sql.includes('as "rowId"')) return []
    const found = world.rows.filter(({ targetId }) => targetId === parameters[0])
    const isThere = sql.includes('voucher_result') || world.points.includes(String(parameters[0]))
    return isThere ? found.map(({ id }) => ({ promotionId: '42', rowId: id })) : []
  })
  const seal = () => sealPromotion(kysely, PROMOTION, pem)
  return { world, kysely, asked, seal, check: () => checkSeal(kysely, PROMOTION) }
}

const statementOf = ({ statement, signature, publicKey }: StoredSeal) =>
  readSeal({ statement, signature: signature.toString('base64'), publicKey: publicKey.toString('base64') })

describe('a seal', () => {
  test('says what the rows are, and the next one which it follows', async () => {
    const { world, seal } = sealing([rowOf(1), rowOf(2, { processStatus: 'UNKNOWN' })])
    const first = await seal()
    expect(first).toBe(world.seals[0]?.root.toString('hex'))
    expect(statementOf(world.seals[0]!)).toMatchObject({ sequence: 1, previousRoot: null, gifts: '2', success: '1' })
    world.rows[1] = rowOf(2, { processStatus: 'FAILED' })
    expect(await seal()).not.toBe(first)
    expect(statementOf(world.seals[1]!)).toMatchObject({ sequence: 2, previousRoot: first, failed: '1' })
    expect(world.seals.map(({ sequence, success, failed }) => [sequence, success, failed])).toEqual([
      [1, '1', '0'],
      [2, '1', '1'],
    ])
  })

  test('of what has not changed is not made again', async () => {
    const { world, seal } = sealing(rowsOf(3))
    await seal()
    expect(await seal()).toBeUndefined()
    expect(world.seals).toHaveLength(1)
  })

  test('that another instance has made first is its own', async () => {
    const { world, seal } = sealing(rowsOf(3))
    world.isOvertaken = true
    expect(await seal()).toBeUndefined()
  })
})

describe('a round of sealing', () => {
  const round = async (given: ReturnType<typeof sealing>, hasTime = () => true) => {
    const deps = { kysely: given.kysely, privateKeyPem: pem, logger: createLogger('test', 'silent') }
    await sealRound(deps, hasTime)
  }
  const sealed = ({ world }: ReturnType<typeof sealing>) => world.seals.map(({ promotionId }) => promotionId)
  const withPromotions = (...ids: string[]) => {
    const given = sealing(rowsOf(1))
    given.world.toSeal = ids.map(id => ({ id, type: 'VOUCHER' }))
    return given
  }

  test('seals what is completed, ten promotions at most', async () => {
    const given = withPromotions(...Array.from({ length: 11 }, (_, index) => String(index + 1)))
    await round(given)
    expect(sealed(given)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'])
  })

  test('asks for no lock where nothing is to be sealed', async () => {
    const given = withPromotions()
    await round(given)
    expect(given.asked).toHaveLength(1)
  })

  test('leaves it to the instance that has the lock', async () => {
    const given = withPromotions('1')
    given.world.isLocked = true
    await round(given)
    expect(sealed(given)).toEqual([])
  })

  test('ends before the next promotion where the process stops', async () => {
    const given = withPromotions('1', '2')
    await round(given, () => given.world.seals.length === 0)
    expect(sealed(given)).toEqual(['1'])
  })

  test('seals the others though one cannot be sealed, and fails', async () => {
    const given = withPromotions('1', '2', '3')
    given.world.broken = ['1']
    await expect(round(given)).rejects.toThrow('rows cannot be read')
    expect(sealed(given)).toEqual(['2', '3'])
  })
})

describe('a receipt', () => {
  const COUNT = CHUNK_GIFTS + 5
  const last = String(10_000 + COUNT)

  test.each([1, CHUNK_GIFTS, CHUNK_GIFTS + 1, COUNT])('of row %i proves itself', async id => {
    const { kysely, seal } = sealing(rowsOf(COUNT))
    await seal()
    const receipt = await receiptOf(kysely, String(10_000 + id))
    expect([receipt.index, verifyReceipt(receipt).gift.row]).toEqual([id - 1, String(id)])
  })

  test('needs a gift, and one alone', async () => {
    const { world, kysely, seal } = sealing(rowsOf(COUNT))
    await seal()
    await expect(receiptOf(kysely, '1')).rejects.toMatchObject({ code: 'GIFT_NOT_FOUND' })
    await expect(receiptOf(kysely, last, 'POINT')).rejects.toMatchObject({ code: 'GIFT_NOT_FOUND' })
    world.points = [last]
    await expect(receiptOf(kysely, last)).rejects.toThrow(/is a VOUCHER and POINT: say which/)
    expect((await receiptOf(kysely, last, 'VOUCHER')).gift.type).toBe('VOUCHER')
  })

  test('needs a seal', async () => {
    const { kysely, check } = sealing(rowsOf(1))
    await expect(receiptOf(kysely, '10001')).rejects.toMatchObject({ code: 'PROMOTION_NOT_SEALED' })
    await expect(check()).rejects.toMatchObject({ code: 'PROMOTION_NOT_SEALED' })
  })

  test('is refused where the rows around are not what was sealed, or come behind it', async () => {
    const { world, kysely, seal } = sealing(rowsOf(COUNT))
    await seal()
    world.rows[0] = rowOf(1, { amount: '999' })
    world.rows.push(rowOf(COUNT + 1))
    await expect(receiptOf(kysely, '10002')).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
    await expect(receiptOf(kysely, String(10_001 + COUNT))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
    expect((await receiptOf(kysely, last)).gift.targetId).toBe(last)
  })
})

describe('a look at the rows of a sealed promotion', () => {
  test('finds nothing where nothing was changed', async () => {
    const { world, seal, check } = sealing([
      ...rowsOf(3),
      rowOf(4, { processStatus: 'UNKNOWN' }),
      rowOf(5, { processStatus: 'FAILED' }),
    ])
    const root = await seal()
    const publicKey = world.seals[0]!.publicKey.toString('base64')
    expect(await check()).toEqual({ sequence: 1, root, publicKey, gifts: 5, changed: [], later: 0, open: 1 })
  })

  test('names the chunks that were changed, and counts what came behind the last', async () => {
    const { world, seal, check } = sealing(rowsOf(2 * CHUNK_GIFTS + 5))
    await seal()
    world.rows[0] = rowOf(1, { amount: '999' })
    world.rows[2 * CHUNK_GIFTS] = rowOf(2 * CHUNK_GIFTS + 1, { memberId: '8' })
    world.rows.push(rowOf(5000), rowOf(5001))
    expect(await check()).toMatchObject({
      later: 2,
      changed: [
        { afterRow: '0', lastRow: '1024' },
        { afterRow: '2048', lastRow: '2053' },
      ],
    })
  })

  test('of one without a gift finds those that came since', async () => {
    const { world, seal, check } = sealing([])
    await seal()
    expect(await check()).toMatchObject({ gifts: 0, changed: [], later: 0 })
    world.rows.push(rowOf(1))
    expect(await check()).toMatchObject({ later: 1 })
  })

  test.each<[string, (seal: StoredSeal, others: StoredSeal) => void]>([
    ['whose parts do not make its root', seal => void Object.assign(seal, { chunkRoots: Buffer.alloc(32) })],
    ['that is another promotion’s', (seal, other) => void Object.assign(seal, other, { promotionId: '42' })],
  ])('is refused with a seal %s', async (_name, change) => {
    const { world, kysely, seal, check } = sealing(rowsOf(3))
    await seal()
    await sealPromotion(kysely, { id: '43', type: 'VOUCHER' }, pem)
    change(world.seals[0]!, world.seals[1]!)
    await expect(check()).rejects.toMatchObject({ code: 'SEAL_INVALID' })
  })
})
