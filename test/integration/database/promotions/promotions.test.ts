import { expect, test } from '@jest/globals'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createTestDatabase } from '#test/support/stack-env.ts'

test('the list holds the newest, whatever their ids', async () => {
  const db = await createTestDatabase()
  try {
    const promotions = createPromotionRepository(db.database.kysely)
    for (const id of ['30', '10', '20']) await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 1 })
    expect((await promotions.list(2)).map(({ id }) => id)).toEqual(['20', '10'])
  } finally {
    await db.drop()
  }
}, 60_000)
