import { expect, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { RefillRounds } from '#promotion/upkeep/refill-rounds.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createLogger } from '#runtime/logger.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

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

/** Promotions with so many rows that never had an entry, and streams with room; `looks` = behind which row each look began. */
function createWithRows(rows: Readonly<Record<string, number>>) {
  const looks: string[] = []
  const { kysely } = scriptedKysely(({ sql: statement, parameters: values }) => {
    if (!statement.includes('partition_key')) return [{ locked: true }]
    const [id, count] = Object.entries(rows).find(([each]) => values.includes(each))!
    const afterId = values.find(value => typeof value === 'string' && value.length > 3) ?? '0'
    looks.push(`${id} ${afterId}`)
    const left = Array.from({ length: count }, (_, index) => ({ id: String(1001 + index), message: '', pending: true }))
    return left.filter(row => Number(row.id) > Number(afterId)).slice(0, Number(values.at(-1)))
  })
  const room = { left: 0 }
  const enqueueAll = async (_streamKey: string, entries: readonly object[]) => {
    room.left -= entries.length
    return entries.length
  }
  const refills = new RefillRounds({
    producer: { room: async () => room.left, enqueueAll },
    ...{ streams: promotionStreams(''), kysely, logger: createLogger('test', 'silent') },
  } as never)
  return { refills, looks, room }
}

test('one whose rows all have their entries has no further turn until it is added again', async () => {
  const { refills, looks, room } = createWithRows({ '7': 3 })
  room.left = 500
  refills.add(promotionOf('7'))
  await refills.round()
  const seen = looks.length
  await refills.round()
  expect(looks).toHaveLength(seen)
  refills.add(promotionOf('7'))
  await refills.round()
  expect(looks.length).toBeGreaterThan(seen)
})

test('one with more rows than room goes on behind the last that has its entry, and from the first after a pause', async () => {
  const { refills, looks, room } = createWithRows({ '7': 30, '8': 0 })
  const roundWithRoom = async () => {
    room.left = 10
    looks.length = 0
    await refills.round()
    return looks.filter(look => look.startsWith('7'))
  }
  refills.add(promotionOf('7'))
  expect(await roundWithRoom()).toEqual(['7 0'])
  refills.keepOnly(new Set(['7', '8']))
  expect(await roundWithRoom()).toEqual(['7 1010'])
  refills.keepOnly(new Set(['8']))
  refills.add(promotionOf('7'))
  expect(await roundWithRoom()).toEqual(['7 0'])
})

test('one that goes on keeps its turn when others end', async () => {
  const { refills, tried } = create(async () => 1)
  refills.add(promotionOf('1'))
  refills.add(promotionOf('2'))
  refills.keepOnly(new Set(['2']))
  await refills.round()
  expect(tried).toEqual(['tried'])
})
