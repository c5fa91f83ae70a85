import { expect, test } from '@jest/globals'
import { createRefillCursor, refill } from '#promotion/upkeep/refill.ts'

/** Batches as the database gives them, one after the other; then another session holds the lock. */
function refilling(...batches: { rows: number; limit: number; lastId: string }[]) {
  const kysely = {
    transaction: () => ({
      execute: async () => {
        const next = batches.shift()
        return next === undefined ? { kind: 'busy' } : { kind: 'taken', ...next }
      },
    }),
  }
  const cursor = createRefillCursor()
  const deps = { kysely, producer: {} } as never
  const promotion = { id: '1', type: 'VOUCHER' } as const
  const stream = { streamKey: (id: string) => id } as never
  return { cursor, run: (maxRows?: number) => refill(promotion, stream, deps, { cursor, ...(maxRows && { maxRows }) }) }
}

test('each batch begins behind the one before, and the next turn behind the last', async () => {
  const { cursor, run } = refilling({ rows: 500, limit: 500, lastId: '700' }, { rows: 500, limit: 500, lastId: '1300' })

  expect(await run()).toEqual({ moved: 1000, isMoreLeft: true })
  expect(cursor.afterId).toBe('1300')
})

test('a stream without room ends the turn where it is', async () => {
  const { cursor, run } = refilling({ rows: 500, limit: 500, lastId: '700' }, { rows: 20, limit: 20, lastId: '720' })

  expect(await run()).toEqual({ moved: 520, isMoreLeft: true })
  expect(cursor.afterId).toBe('720')
})

test('at the end it looks from the first row again, once in five seconds', async () => {
  const { cursor, run } = refilling(
    { rows: 3, limit: 500, lastId: '703' },
    { rows: 1, limit: 500, lastId: '5' },
    { rows: 0, limit: 500, lastId: '5' },
  )
  cursor.afterId = '700'

  expect(await run()).toEqual({ moved: 4, isMoreLeft: false })
  expect(cursor.afterId).toBe('5')
  expect(await run()).toEqual({ moved: 0, isMoreLeft: false })
})

test('a turn has an end: what is left comes in the next one', async () => {
  const { cursor, run } = refilling({ rows: 500, limit: 500, lastId: '700' }, { rows: 500, limit: 500, lastId: '1300' })

  expect(await run(500)).toEqual({ moved: 500, isMoreLeft: true })
  expect(cursor.afterId).toBe('700')
})

test('a stream that was filled is left to its workers, though it might have room again', async () => {
  const { run } = refilling({ rows: 20, limit: 20, lastId: '720' }, { rows: 500, limit: 500, lastId: '1300' })

  expect(await run()).toEqual({ moved: 20, isMoreLeft: true })
})
