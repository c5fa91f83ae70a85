import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { findSeal } from '#database/promotions/seals.ts'
import { verifyReceipt } from '#promotion/seal/receipt.ts'
import { checkSeal, receiptOf } from '#promotion/seal/seal.ts'
import { fingerprintOf } from '#promotion/seal/statement.ts'
import type { DemoPromotion } from './gifts.ts'

/** Completion waits for quiet, and the seal comes a round later. */
const SEAL_WAIT_MS = 120_000

/** Waits until a promotion is sealed, compares its rows with the seal, and proves one of its gifts. */
export async function describeSeal(
  kysely: Kysely<unknown>,
  { id, type, firstTargetId }: Pick<DemoPromotion, 'id' | 'type' | 'firstTargetId'>,
): Promise<string[]> {
  const endMs = performance.now() + SEAL_WAIT_MS
  while ((await findSeal(kysely, id)) === undefined) {
    if (performance.now() > endMs) throw new Error(`promotion ${id} was not sealed within ${SEAL_WAIT_MS / 1000} s`)
    await sleep(200)
  }
  const { gifts, root, changed, later, publicKey } = await checkSeal(kysely, { id, type })
  if (changed.length > 0 || later > 0) throw new Error(`promotion ${id} is not what was sealed`)
  const { gift } = verifyReceipt(await receiptOf(kysely, firstTargetId.toString(), type))
  return [
    `sealed: ${type} ${id}, ${gifts.toLocaleString('en')} gifts, root ${root}, key ${fingerprintOf(publicKey)}`,
    `  the receipt of target ${gift.targetId} is valid: ${gift.status}, amount ${gift.amount}, charge ${gift.charge}`,
  ]
}
