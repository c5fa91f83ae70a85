import { expect, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { RefillRounds } from '#promotion/upkeep/refill-rounds.ts'
import { createLogger } from '#runtime/logger.ts'

const promotionOf = (id: string) => ({ id, status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' }) as Promotion

function create(room: (id: string) => Promise<number>) {
  const tried: string[] = []
  const refills = new RefillRounds({
    producer: { room },
    streams: { POINT: { streamKey: (id: string) => id } },
    kysely: {
      transaction: () => ({
        execute: async () => {
          tried.push('tried')
          return { kind: 'busy' }
        },
      }),
    },
    logger: createLogger('test', 'silent'),
  } as never)
  return { refills, tried }
}

test('promotions on a shard that is away keep no other from its rows, and are not asked again while they owe an answer', async () => {
  const never = new Promise<never>(() => undefined)
  const isAway = (id: string) => id !== '6'
  const looked: string[] = []
  const { refills, tried } = create(id => {
    looked.push(id)
    return isAway(id) ? never : Promise.reject(new Error('looked at'))
  })
  for (const id of ['2', '3', '4', '5', '6']) refills.add(promotionOf(id))
  await refills.round()
  await refills.round()
  expect(looked.filter(isAway).sort()).toEqual(['2', '3', '4', '5'])
  expect(looked.filter(id => !isAway(id))).toHaveLength(2)
  expect(tried).toHaveLength(2)
})

test('one that runs no more has no turn', async () => {
  const { refills, tried } = create(async () => 1)
  refills.add(promotionOf('1'))
  refills.keepOnly(new Set())
  await refills.round()
  expect(tried).toEqual([])
})

test('one that goes on keeps its turn when others end', async () => {
  const { refills, tried } = create(async () => 1)
  refills.add(promotionOf('1'))
  refills.add(promotionOf('2'))
  refills.keepOnly(new Set(['2']))
  await refills.round()
  expect(tried).toEqual(['tried'])
})
