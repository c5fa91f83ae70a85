import { type Kysely, sql } from 'kysely'
import type { NewGift } from '#database/gifts/gift.ts'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createTestDatabase } from './stack-env.ts'

/** A promotion of vouchers in each state, by its id. */
const PROMOTIONS = {
  '1': 'IN_PROGRESS',
  '2': 'READY',
  '3': 'PAUSED',
  '4': 'COMPLETED',
  '5': 'STOPPED',
} as const

let lastTarget = 0n

/** A gift of promotion 1, for a target that no other gift of this file has. */
export function newGift(overrides: Partial<NewGift> = {}): NewGift {
  lastTarget += 1n
  return {
    promotionId: '1',
    promotionSummaryId: '10',
    targetId: String(lastTarget),
    partitionKey: 'k',
    memberId: '7',
    amount: '100',
    message: '{}',
    kafkaPartition: 0,
    kafkaOffset: String(lastTarget),
    wantsEntry: true,
    ...overrides,
  }
}

export interface GiftRows {
  kysely: Kysely<unknown>
  results: GiftResultRepositories
  promotions: PromotionRepository
  /** The state of a voucher's row, if there is one. */
  stateOf(targetId: string): Promise<string | undefined>
  drop(): Promise<void>
}

/** A database of its own with a promotion in each state. */
export async function createGiftRows(): Promise<GiftRows> {
  const db = await createTestDatabase()
  const { kysely } = db.database
  const results = createGiftResultRepositories(kysely)
  const promotions = createPromotionRepository(kysely)
  for (const [id, status] of Object.entries(PROMOTIONS)) {
    await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0 })
    await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  }
  const stateOf = async (targetId: string) => (await results.VOUCHER.find(targetId))?.processStatus
  return { kysely, results, promotions, stateOf, drop: db.drop }
}
