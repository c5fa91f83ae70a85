import type { Kysely } from 'kysely'
import { findSealedRows, readSealedRows, type SealedRow } from '#database/gifts/sealed-rows.ts'
import { withRoundLock } from '#database/locks.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { findSeal, listToSeal, type StoredSeal, saveSeal } from '#database/promotions/seals.ts'
import { LARGEST_INTEGER } from '#queues/exact-integer.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { chunkOf, leafOf, readAccount, sealedGift } from './account.ts'
import { HASH_BYTES, rootOf } from './merkle.ts'
import { makeReceipt, type Receipt } from './receipt.ts'
import { readSeal, type SignedStatement, signSeal } from './statement.ts'

type Sealed = Pick<Promotion, 'id' | 'type'>

const MAX_SEALED = 10

/** On one instance: seals promotions that were completed, and again those whose UNKNOWN gifts were settled since. */
export async function sealRound(
  deps: { kysely: Kysely<unknown>; privateKeyPem: string; logger: Logger },
  hasTime: () => boolean,
): Promise<void> {
  const { kysely, privateKeyPem, logger } = deps
  if ((await listToSeal(kysely, 1)).length === 0) return
  await withRoundLock(kysely, 'seal', async () => {
    const failures: unknown[] = []
    for (const promotion of await listToSeal(kysely, MAX_SEALED)) {
      if (!hasTime()) return
      try {
        const root = await sealPromotion(kysely, promotion, privateKeyPem)
        if (root !== undefined) logger.info({ promotionId: promotion.id, root }, 'promotion sealed')
      } catch (error) {
        // The others are not to wait for one that cannot be sealed.
        logger.warn({ promotionId: promotion.id, err: toError(error) }, `promotion not sealed: ${errorLine(error)}`)
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  })
}

/** Makes the next seal of a promotion. @returns its root, in hex; undefined: nothing has changed, or another instance made it first. */
export async function sealPromotion(
  kysely: Kysely<unknown>,
  promotion: Sealed,
  privateKeyPem: string,
): Promise<string | undefined> {
  const previous = await findSeal(kysely, promotion.id)
  const account = await readAccount(kysely, promotion)
  // What was settled may have been changed back by hand.
  if (previous?.root.equals(account.root)) return undefined
  const of = {
    promotionId: promotion.id,
    type: promotion.type,
    sequence: (previous?.sequence ?? 0) + 1,
    previousRoot: previous?.root.toString('hex') ?? null,
    sealedAt: new Date().toISOString(),
  }
  const { statement, signature, publicKey } = signSeal(of, account, privateKeyPem)
  const isSaved = await saveSeal(kysely, {
    promotionId: promotion.id,
    sequence: of.sequence,
    root: account.root,
    gifts: String(account.gifts),
    success: String(account.success),
    failed: String(account.failed),
    statement,
    signature: Buffer.from(signature, 'base64'),
    publicKey: Buffer.from(publicKey, 'base64'),
    chunkRoots: Buffer.concat(account.chunks.map(({ root }) => root)),
    chunkLastIds: account.chunks.map(({ lastRowId }) => lastRowId),
  })
  // Another instance's stands: this root must not be published.
  return isSaved ? account.root.toString('hex') : undefined
}

/** @throws `PROMOTION_NOT_SEALED`. */
export async function sealOf(kysely: Kysely<unknown>, promotionId: string): Promise<StoredSeal> {
  const seal = await findSeal(kysely, promotionId)
  if (seal !== undefined) return seal
  throw new CodedError(
    'PROMOTION_NOT_SEALED',
    `promotion ${promotionId} has no seal: it gets one when it is COMPLETED and the workers have SEAL_PRIVATE_KEY`,
  )
}

export function signedStatementOf(seal: StoredSeal): SignedStatement {
  return {
    statement: seal.statement,
    signature: seal.signature.toString('base64'),
    publicKey: seal.publicKey.toString('base64'),
  }
}

function chunkRootsOf({ chunkRoots, chunkLastIds }: StoredSeal): Buffer[] {
  return chunkLastIds.map((_, chunk) => chunkRoots.subarray(chunk * HASH_BYTES, (chunk + 1) * HASH_BYTES))
}

function rowsOfChunk(kysely: Kysely<unknown>, promotion: Sealed, { chunkLastIds }: StoredSeal, chunk: number) {
  const afterId = chunkLastIds[chunk - 1] ?? '0'
  return readSealedRows(kysely, promotion, { afterId, lastId: chunkLastIds[chunk] ?? afterId })
}

/**
 * The receipt of a target. Reads the rows of its chunk only.
 * @throws `GIFT_NOT_FOUND`, `PROMOTION_NOT_SEALED`, or `SEAL_BROKEN` when the rows are not what was sealed.
 */
export async function receiptOf(kysely: Kysely<unknown>, targetId: string, type?: string): Promise<Receipt> {
  const found = (await findSealedRows(kysely, targetId)).filter(row => type === undefined || row.type === type)
  const [row, another] = found
  if (row === undefined) throw new CodedError('GIFT_NOT_FOUND', `no gift has the target ${targetId}`)
  if (another !== undefined) {
    const types = found.map(each => each.type).join(' and ')
    throw new CodedError('GIFT_NOT_FOUND', `the target ${targetId} is a ${types}: say which by --type`)
  }
  const promotion = { id: row.promotionId, type: row.type }
  const seal = await sealOf(kysely, row.promotionId)
  const chunk = seal.chunkLastIds.findIndex(lastId => BigInt(row.rowId) <= BigInt(lastId))
  const rows = chunk < 0 ? [] : await rowsOfChunk(kysely, promotion, seal, chunk)
  const chunkRoots = chunkRootsOf(seal)
  if (!isAsSealed(promotion, rows, chunkRoots[chunk])) {
    throw new CodedError(
      'SEAL_BROKEN',
      `rows around ${row.rowId} of promotion ${row.promotionId} are not what was sealed: see «promostream verify --promotion ${row.promotionId}»`,
    )
  }
  const place = rows.findIndex(({ id }) => id === row.rowId)
  const leaves = rows.map(each => leafOf(sealedGift(promotion, each)))
  const gift = sealedGift(promotion, rows[place] as SealedRow)
  return makeReceipt({ gift, leaves, place, chunkRoots, chunk, seal: signedStatementOf(seal) })
}

function isAsSealed(promotion: Sealed, rows: readonly SealedRow[], root: Buffer | undefined): boolean {
  return root !== undefined && chunkOf(promotion, rows).root.equals(root)
}

/** What a look at the rows of a sealed promotion found. */
export interface SealCheck {
  sequence: number
  root: string
  publicKey: string
  gifts: number
  /** Rows whose chunk is not what was sealed, by their ids: something among them was changed, removed or put in. */
  changed: { afterRow: string; lastRow: string }[]
  /** Rows behind the last one that was sealed. */
  later: number
  /** Gifts that were UNKNOWN when it was sealed: to settle them changes rows, until the workers make the next seal. */
  open: number
}

/**
 * Compares the rows of a promotion with its last seal, a chunk at a time. Only reads.
 * @throws `PROMOTION_NOT_SEALED`, or `SEAL_INVALID` when the seal itself was changed.
 */
export async function checkSeal(kysely: Kysely<unknown>, promotion: Sealed): Promise<SealCheck> {
  const seal = await sealOf(kysely, promotion.id)
  const statement = readSeal(signedStatementOf(seal))
  const chunkRoots = chunkRootsOf(seal)
  if (rootOf(chunkRoots).toString('hex') !== statement.root || statement.promotionId !== promotion.id) {
    throw new CodedError(
      'SEAL_INVALID',
      `the seal of promotion ${promotion.id} was changed: its parts do not make its root`,
    )
  }
  const changed: SealCheck['changed'] = []
  for (const [chunk, root] of chunkRoots.entries()) {
    const rows = await rowsOfChunk(kysely, promotion, seal, chunk)
    if (isAsSealed(promotion, rows, root)) continue
    changed.push({ afterRow: seal.chunkLastIds[chunk - 1] ?? '0', lastRow: seal.chunkLastIds[chunk] ?? '0' })
  }
  const afterId = seal.chunkLastIds.at(-1) ?? '0'
  const later = (await readSealedRows(kysely, promotion, { afterId, lastId: String(LARGEST_INTEGER) })).length
  const { sequence, root } = statement
  const gifts = Number(statement.gifts)
  const open = gifts - Number(statement.success) - Number(statement.failed)
  return { sequence, root, publicKey: seal.publicKey.toString('base64'), gifts, changed, later, open }
}
