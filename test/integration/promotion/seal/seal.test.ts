import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { findSeal, listToSeal } from '#database/promotions/seals.ts'
import { type Receipt, verifyReceipt } from '#promotion/seal/receipt.ts'
import { checkSeal, receiptOf, sealPromotion, sealRound } from '#promotion/seal/seal.ts'
import { createLogger } from '#runtime/logger.ts'
import { runCli } from '#test/support/cli.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

const PEM = { type: 'pkcs8', format: 'pem' } as const
const keys = generateKeyPairSync('ed25519')
const privateKeyPem = keys.privateKey.export(PEM).toString()
const logger = createLogger('test', 'silent')
/** A million once, before a release. */
const GIFTS = Number(process.env.SEAL_ROWS ?? 5000)

describe('sealed account', () => {
  let db: TestDatabase
  let kysely: Kysely<unknown>
  let folder: string
  let nextTarget = 1_000_000n

  beforeAll(async () => {
    db = await createTestDatabase()
    kysely = db.database.kysely
    folder = mkdtempSync(join(tmpdir(), 'promostream-seal-'))
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await db.drop()
  })

  /** A COMPLETED promotion of vouchers; the last one is UNKNOWN, the one before it FAILED. */
  async function completed(gifts: number): Promise<{ id: string; type: 'VOUCHER'; firstTarget: bigint }> {
    const id = String(uniqueId())
    const firstTarget = nextTarget
    nextTarget += BigInt(gifts) + 10_000_000n
    await sql`insert into campaign_promotion (id, name, type, status, total_count, finished_at)
      values (${id}::bigint, '', 'VOUCHER', 'COMPLETED', ${gifts}, now())`.execute(kysely)
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id, partition_key,
        member_id, amount, process_status, money_key, message, kafka_partition, kafka_offset)
      select ${id}::bigint, ${id}::bigint, ${String(firstTarget)}::bigint + n, 'k', n + 1, 100 + n % 7,
        case n when ${gifts - 1} then 'UNKNOWN' when ${gifts - 2} then 'FAILED' else 'SUCCESS' end,
        case when n < ${gifts - 2} then 'tx-' || n end, '{}', n % 4, n
      from generate_series(0, ${gifts - 1}) n`.execute(kysely)
    await sql`
      insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
      values (${id}::bigint, ${id}::bigint, ${gifts - 2}, 1)`.execute(kysely)
    return { id, type: 'VOUCHER', firstTarget }
  }
  const change = (target: bigint, set: ReturnType<typeof sql>) =>
    sql`update campaign_promotion_voucher_result set ${set} where voucher_target_id = ${String(target)}::bigint`.execute(
      kysely,
    )

  test('every completed promotion is sealed once, and its rows are what was sealed', async () => {
    const { id, type } = await completed(GIFTS)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    const first = await findSeal(kysely, id)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    expect((await findSeal(kysely, id))?.sequence).toBe(1)
    expect(JSON.parse(first?.statement ?? '')).toMatchObject({
      promotionId: id,
      gifts: String(GIFTS),
      success: String(GIFTS - 2),
      failed: '1',
      previousRoot: null,
    })
    expect(await checkSeal(kysely, { id, type })).toMatchObject({ sequence: 1, gifts: GIFTS, changed: [], later: 0 })
  })

  test('what is not COMPLETED is not sealed', async () => {
    const { id } = await completed(3)
    await sql`update campaign_promotion set status = 'STOPPED' where id = ${id}::bigint`.execute(kysely)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    expect(await findSeal(kysely, id)).toBeUndefined()
  })

  test('an UNKNOWN gift that is settled later makes the next seal, which names the one before', async () => {
    const { id, type, firstTarget } = await completed(10)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    const before = (await findSeal(kysely, id))?.root.toString('hex')
    await change(firstTarget + 9n, sql`process_status = 'SUCCESS', money_key = 'late'`)
    await sql`update campaign_promotion_summary set success_count = 9 where id = ${id}::bigint`.execute(kysely)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    const seal = await findSeal(kysely, id)
    expect(JSON.parse(seal?.statement ?? '')).toMatchObject({ sequence: 2, success: '9', previousRoot: before })
    expect(await checkSeal(kysely, { id, type })).toMatchObject({ sequence: 2, changed: [], later: 0 })
  })

  test('counters that others move make no second seal, and are no reason to read the rows again', async () => {
    const { id } = await completed(10)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    await sql`update campaign_promotion_summary set success_count = 50 where id = ${id}::bigint`.execute(kysely)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    expect((await findSeal(kysely, id))?.sequence).toBe(1)
    expect((await listToSeal(kysely, 1000)).map(({ id }) => id)).not.toContain(id)
  })

  test('one that cannot be sealed does not keep the others from it', async () => {
    const broken = await completed(3)
    const { id } = await completed(3)
    await sql`update campaign_promotion set finished_at = now() - interval '1 day' where id = ${broken.id}::bigint`.execute(
      kysely,
    )
    const refuses = `campaign_promotion_seal_test_${broken.id}`
    await sql`alter table campaign_promotion_seal add constraint ${sql.id(refuses)}
      check (promotion_id <> ${sql.lit(Number(broken.id))})`.execute(kysely)
    await expect(sealRound({ kysely, privateKeyPem, logger }, () => true)).rejects.toThrow(/violates check constraint/)
    expect(await findSeal(kysely, id)).toBeDefined()
    await sql`alter table campaign_promotion_seal drop constraint ${sql.id(refuses)}`.execute(kysely)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    expect(await findSeal(kysely, broken.id)).toBeDefined()
  })

  test('a gift that is settled between two seals is told apart from one that was changed', async () => {
    const { id, type, firstTarget } = await completed(10)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    // Tried again: it is still open, and nothing is to be sealed yet.
    await change(firstTarget + 9n, sql`process_status = 'RETRYING'`)
    expect((await listToSeal(kysely, 1000)).map(each => each.id)).not.toContain(id)
    expect(await checkSeal(kysely, { id, type })).toMatchObject({ open: 1, changed: [expect.anything()] })
  })

  test('two seals at once: one is kept, and only its root is told', async () => {
    const { id, type } = await completed(3000)
    const roots = await Promise.all([1, 2, 3].map(() => sealPromotion(kysely, { id, type }, privateKeyPem)))
    expect(roots.filter(root => root !== undefined)).toHaveLength(1)
    expect((await findSeal(kysely, id))?.sequence).toBe(1)
  })

  test('a promotion without gifts is sealed once', async () => {
    const id = String(uniqueId())
    await sql`insert into campaign_promotion (id, name, type, status, finished_at)
      values (${id}::bigint, '', 'POINT', 'COMPLETED', now())`.execute(kysely)
    await sealRound({ kysely, privateKeyPem, logger }, () => true)
    expect(await checkSeal(kysely, { id, type: 'POINT' })).toMatchObject({ gifts: 0, changed: [], later: 0 })
    expect((await listToSeal(kysely, 1000)).map(each => each.id)).not.toContain(id)
  })

  const tampered: [string, ReturnType<typeof sql>][] = [
    ['amount', sql`amount = amount + 1`],
    ['member', sql`member_id = member_id + 1`],
    ['state', sql`process_status = 'FAILED'`],
    ['charge', sql`money_key = money_key || 'x'`],
    ['charge taken away', sql`money_key = null`],
    ['offset', sql`kafka_offset = kafka_offset + 1`],
    ['offset taken away', sql`kafka_offset = null`],
    ['partition', sql`kafka_partition = kafka_partition + 1`],
    ['target', sql`voucher_target_id = voucher_target_id + 5000000`],
    ['row', sql`id = id + 1000000000`],
  ]
  test.each(tampered)('a changed %s is found, in the chunk of its row', async (name, set) => {
    const { id, type, firstTarget } = await completed(2100)
    await sealPromotion(kysely, { id, type }, privateKeyPem)
    await change(firstTarget + 1500n, set)
    const { changed, later } = await checkSeal(kysely, { id, type })
    const { chunkLastIds = [] } = (await findSeal(kysely, id)) ?? {}
    expect(changed).toEqual([{ afterRow: chunkLastIds[0], lastRow: chunkLastIds[1] }])
    // A row of another id stands behind all others.
    expect(later).toBe(name === 'row' ? 1 : 0)
  })

  test('ten changed rows are found wherever they stand', async () => {
    const { id, type, firstTarget } = await completed(GIFTS)
    await sealPromotion(kysely, { id, type }, privateKeyPem)
    const places = Array.from({ length: 10 }, (_, index) => BigInt(Math.floor((GIFTS / 10) * index) + 7))
    for (const place of places) await change(firstTarget + place, sql`amount = amount + 1`)
    const { changed } = await checkSeal(kysely, { id, type })
    expect(changed).toHaveLength(new Set(places.map(place => place / 1024n)).size)
  })

  test('a row that was removed, and one that was put in, are found', async () => {
    const { id, type, firstTarget } = await completed(3000)
    await sealPromotion(kysely, { id, type }, privateKeyPem)
    await sql`delete from campaign_promotion_voucher_result
      where voucher_target_id = ${String(firstTarget + 1500n)}::bigint`.execute(kysely)
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id, partition_key,
        member_id, amount, message)
      values (${id}::bigint, ${id}::bigint, ${String(firstTarget + 9000n)}::bigint, 'k', 1, 1, '{}')`.execute(kysely)
    const { changed, later } = await checkSeal(kysely, { id, type })
    expect({ changed: changed.length, later }).toEqual({ changed: 1, later: 1 })
    await expect(receiptOf(kysely, String(firstTarget + 1501n))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
    await expect(receiptOf(kysely, String(firstTarget + 9000n))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
  })

  test('receipts of the first, a middle and the last gift are valid; with any byte changed they are not', async () => {
    const { id, type, firstTarget } = await completed(3000)
    await sealPromotion(kysely, { id, type }, privateKeyPem)
    for (const offset of [0n, 1023n, 1024n, 2047n, 2999n]) {
      const receipt = await receiptOf(kysely, String(firstTarget + offset))
      expect(verifyReceipt(receipt).gift.targetId).toBe(String(firstTarget + offset))
    }
    const receipt = await receiptOf(kysely, String(firstTarget + 1500n))
    for (const broken of changedReceipts(receipt)) {
      expect(() => verifyReceipt(broken)).toThrow(/receipt|seal|gift/)
    }
  }, 120_000)

  test('the seal itself is looked at: another root or other chunks are no seal', async () => {
    const { id, type } = await completed(3000)
    await sealPromotion(kysely, { id, type }, privateKeyPem)
    for (const set of [
      sql`statement = replace(statement, '"success":"2998"', '"success":"2999"')`,
      sql`chunk_roots = set_byte(chunk_roots, 40, (get_byte(chunk_roots, 40) + 1) % 256)`,
      sql`public_key = set_byte(public_key, 0, 7)`,
    ]) {
      const before = await findSeal(kysely, id)
      await sql`update campaign_promotion_seal set ${set} where promotion_id = ${id}::bigint`.execute(kysely)
      await expect(checkSeal(kysely, { id, type })).rejects.toMatchObject({ code: 'SEAL_INVALID' })
      await sql`update campaign_promotion_seal set statement = ${before?.statement}, chunk_roots = ${before?.chunkRoots},
        public_key = ${before?.publicKey} where promotion_id = ${id}::bigint`.execute(kysely)
    }
  })

  slowTest(
    'by the CLI: a receipt, checked without our database, with the operator’s public key',
    async () => {
      const { id, type, firstTarget } = await completed(20)
      await sealPromotion(kysely, { id, type }, privateKeyPem)
      const env = { ...process.env, DATABASE_URL: db.url } as Record<string, string>
      const printed = await runCli(env, 'receipt', String(firstTarget + 7n))
      const file = (name: string, content: string) => {
        writeFileSync(join(folder, name), content)
        return join(folder, name)
      }
      const receipt = file('receipt.json', printed.stdout)
      const publicKey = file('seal.pub', keys.publicKey.export({ type: 'spki', format: 'pem' }).toString())
      const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()
      const offline = { PATH: process.env.PATH ?? '' }
      expect(await runCli(offline, 'verify', receipt, '--public-key', publicKey)).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining(
          `valid: VOUCHER ${firstTarget + 7n} of promotion ${id}: SUCCESS`,
        ) as unknown as string,
      })
      expect(await runCli(offline, 'verify', receipt, '--public-key', file('other.pub', other))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^promostream: the seal was signed by sha256:\w+, not by sha256:\w+\n$/,
        ) as unknown as string,
      })
      const more = file('more.json', printed.stdout.replace('"amount": "100"', '"amount": "900"'))
      expect(await runCli(offline, 'verify', more)).toMatchObject({ code: 1, stdout: '' })
      expect((await runCli(env, 'verify', '--promotion', id)).code).toBe(0)
      await change(firstTarget + 3n, sql`amount = 1`)
      expect(await runCli(env, 'verify', '--promotion', id)).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('is NOT what was sealed') as unknown as string,
      })
      expect((await runCli(offline, 'verify', receipt, '--public-key', join(folder, 'none.pub'))).code).toBe(1)
    },
    120_000,
  )
})

/** The receipt once for each character of its values, that one changed. */
function* changedReceipts(receipt: Receipt): Generator<unknown> {
  const text = JSON.stringify(receipt)
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string
    if (!/\w/.test(character)) continue
    const other = character === '0' ? '1' : '0'
    const changed = `${text.slice(0, at)}${other}${text.slice(at + 1)}`
    try {
      yield JSON.parse(changed)
    } catch {
      // No JSON any more: not a receipt either.
    }
  }
}
