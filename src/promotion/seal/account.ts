import type { Kysely } from 'kysely'
import { type SealedRow, sealedRowPages } from '#database/gifts/sealed-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { idempotencyKey } from '#money/charge.ts'
import { hashLeaf, rootOf } from './merkle.ts'

/** Gifts whose tree is one subtree of the whole: a power of two, so that it is a complete one. */
export const CHUNK_GIFTS = 1024
const CHUNKS_PER_PAGE = 2

/** One gift as it is sealed: exact text everywhere, `null` where the row has nothing. */
export interface SealedGift {
  promotionId: string
  type: string
  row: string
  partition: string | null
  offset: string | null
  targetId: string
  memberId: string
  amount: string
  status: string
  idempotencyKey: string
  /** The transaction key of the Money API. */
  charge: string | null
}

/** A subtree: the rows behind the chunk before it up to this id. */
export interface Chunk {
  lastRowId: string
  root: Buffer
}

export interface SealedAccount {
  root: Buffer
  chunks: Chunk[]
  gifts: number
  success: number
  failed: number
  /** Sum of the SUCCESS gifts' amounts, in minor units: exact digits. */
  amount: string
}

export function sealedGift({ id: promotionId, type }: Pick<Promotion, 'id' | 'type'>, row: SealedRow): SealedGift {
  const { targetId, memberId, amount, processStatus: status, moneyKey: charge } = row
  return {
    promotionId,
    type,
    row: row.id,
    partition: row.kafkaPartition === null ? null : String(row.kafkaPartition),
    offset: row.kafkaOffset,
    targetId,
    memberId,
    amount,
    status,
    idempotencyKey: idempotencyKey({ type, targetId }),
    charge,
  }
}

/** What is hashed of a gift: the JSON array of its fields in the order of {@link SealedGift}. */
export function leafOf(gift: SealedGift): Buffer {
  const { promotionId, type, row, partition, offset, targetId, memberId, amount, status, charge } = gift
  const fields = [promotionId, type, row, partition, offset, targetId, memberId, amount, status]
  return hashLeaf(Buffer.from(JSON.stringify([...fields, gift.idempotencyKey, charge])))
}

/** Reads the rows of a promotion once, in the order of their ids, a few thousand at a time. Only reads. */
export async function readAccount(
  kysely: Kysely<unknown>,
  promotion: Pick<Promotion, 'id' | 'type'>,
): Promise<SealedAccount> {
  const chunks: Chunk[] = []
  let [gifts, success, failed, amount] = [0, 0, 0, 0n]
  for await (const rows of sealedRowPages(kysely, promotion, CHUNKS_PER_PAGE * CHUNK_GIFTS)) {
    for (let start = 0; start < rows.length; start += CHUNK_GIFTS) {
      chunks.push(chunkOf(promotion, rows.slice(start, start + CHUNK_GIFTS)))
    }
    for (const { processStatus, amount: minor } of rows) {
      gifts++
      if (processStatus === 'FAILED') failed++
      if (processStatus !== 'SUCCESS') continue
      success++
      amount += BigInt(minor)
    }
  }
  return { root: rootOf(chunks.map(({ root }) => root)), chunks, gifts, success, failed, amount: amount.toString() }
}

/** The subtree of up to {@link CHUNK_GIFTS} rows. */
export function chunkOf(promotion: Pick<Promotion, 'id' | 'type'>, rows: readonly SealedRow[]): Chunk {
  const leaves = rows.map(row => leafOf(sealedGift(promotion, row)))
  return { lastRowId: rows.at(-1)?.id ?? '0', root: rootOf(leaves) }
}
