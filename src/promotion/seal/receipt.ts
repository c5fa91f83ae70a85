import { z } from 'zod'
import { CodedError } from '#runtime/errors.ts'
import { CHUNK_GIFTS, leafOf, type SealedGift } from './account.ts'
import { HASH_BYTES, pathOf, rootAlong } from './merkle.ts'
import { readSeal, type SealStatement, type SignedStatement } from './statement.ts'

const FORMAT = 'promostream-receipt-1'

const text = z.string()
const hex = z
  .string()
  .length(2 * HASH_BYTES)
  .regex(/^[0-9a-f]+$/)

const receipt = z.strictObject({
  format: z.literal(FORMAT),
  gift: z.strictObject({
    promotionId: text,
    type: text,
    row: text,
    partition: text.nullable(),
    offset: text.nullable(),
    targetId: text,
    memberId: text,
    amount: text,
    status: text,
    idempotencyKey: text,
    charge: text.nullable(),
  }),
  /** Its place among the gifts of the promotion, in the order of their rows, from 0. */
  index: z.int().min(0),
  path: z.array(hex),
  seal: z.strictObject({ statement: text, signature: text, publicKey: text }),
})

/** Proof that a gift is part of a sealed account, whole by itself. */
export type Receipt = z.infer<typeof receipt>

/** Puts the proof together: the way through the gift's chunk, and from there to the root. */
export function makeReceipt(proof: {
  gift: SealedGift
  /** Hashes of the chunk's gifts, and the place of this one. */
  leaves: readonly Buffer[]
  place: number
  /** Roots of all chunks, and the place of this one. */
  chunkRoots: readonly Buffer[]
  chunk: number
  seal: SignedStatement
}): Receipt {
  const { gift, leaves, place, chunkRoots, chunk, seal } = proof
  const path = [...pathOf(leaves, place), ...pathOf(chunkRoots, chunk)]
  return {
    format: FORMAT,
    gift,
    index: chunk * CHUNK_GIFTS + place,
    path: path.map(hash => hash.toString('hex')),
    seal,
  }
}

/**
 * Checks a receipt with nothing but itself.
 * @returns what its seal says; whose key it is has to be compared by the reader.
 * @throws `RECEIPT_INVALID` or `SEAL_INVALID`, naming what is wrong.
 */
export function verifyReceipt(value: unknown): { gift: SealedGift; seal: SealStatement } {
  const parsed = receipt.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue?.path.join('.') || 'it'
    throw new CodedError('RECEIPT_INVALID', `this is no receipt: ${where}: ${issue?.message ?? 'unknown form'}`)
  }
  const { gift, index, path } = parsed.data
  const seal = readSeal(parsed.data.seal)
  if (gift.promotionId !== seal.promotionId || gift.type !== seal.type) {
    throw new CodedError('RECEIPT_INVALID', 'the gift and the seal are of different promotions')
  }
  const way = { index, size: Number(seal.gifts), path: path.map(hash => Buffer.from(hash, 'hex')) }
  if (rootAlong(leafOf(gift), way)?.toString('hex') !== seal.root) {
    throw new CodedError('RECEIPT_INVALID', 'the gift is not in the sealed account as it stands here')
  }
  return { gift, seal }
}
