import { expect, jest, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { StatusFollower, type StatusFollowerDeps } from '#promotion/consumers/follow-status.ts'
import { createLogger } from '#runtime/logger.ts'

test('a promotion whose stop takes long does not keep the others from following their status', async () => {
  const stopping: string[] = []
  const started: string[] = []
  const active = [{ id: '2', status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' }] as Promotion[]
  const statusFollower = new StatusFollower({
    promotions: { listActive: async () => active },
    registry: { promotionIds: ['1'] },
    refills: { add: () => undefined, keepOnly: () => undefined },
    manager: {
      startConsumers: async (id: string) => void started.push(id),
      stopConsumers: (id: string) => {
        stopping.push(id)
        return new Promise(() => undefined)
      },
    },
    logger: createLogger('test', 'silent'),
  } as unknown as StatusFollowerDeps)
  await statusFollower.follow()
  await statusFollower.follow()
  expect(stopping).toEqual(['1', '1'])
  expect(started).toEqual(['2', '2'])
})

test('a promotion whose start takes long does not keep the others from following their status, nor from their refill', async () => {
  const active = ['1', '2', '3'].map(id => ({ id, status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' }))
  const paused = { id: '4', status: 'PAUSED', totalCount: 1, type: 'POINT' }
  const followed: string[] = []
  const refilled: string[] = []
  const running: ReadonlySet<string>[] = []
  const statusFollower = new StatusFollower({
    promotions: { listActive: async () => [...active, paused] as Promotion[] },
    registry: { promotionIds: [] },
    manager: {
      startConsumers: (id: string) => (id === '1' ? new Promise(() => undefined) : void followed.push(id)),
      pauseConsumers: async () => undefined,
    },
    refills: {
      add: ({ id }: Promotion) => void refilled.push(id),
      keepOnly: (ids: ReadonlySet<string>) => void running.push(ids),
    },
    logger: createLogger('test', 'silent'),
  } as unknown as StatusFollowerDeps)
  await statusFollower.follow()
  await statusFollower.follow()
  expect(followed).toEqual(['2', '3', '2', '3'])
  // One that is paused, or not up yet, is not filled.
  expect(refilled).toEqual(['2', '3', '2', '3'])
  expect(running.map(ids => [...ids])).toEqual([
    ['1', '2', '3'],
    ['1', '2', '3'],
  ])
})

test('consumers of a promotion that is active are not stopped; one that is still being followed is not followed again', async () => {
  const active = ['1', '2'].map(id => ({ id, status: 'IN_PROGRESS', totalCount: 1, type: 'POINT' })) as Promotion[]
  const did: string[] = []
  const statusFollower = new StatusFollower({
    promotions: { listActive: async () => active },
    registry: { promotionIds: ['1', '2', '3'] },
    manager: {
      startConsumers: (id: string) => {
        did.push(`start ${id}`)
        return id === '1' ? new Promise(() => undefined) : Promise.resolve()
      },
      stopConsumers: async (id: string) => void did.push(`stop ${id}`),
    },
    refills: { add: () => undefined, keepOnly: () => undefined },
    logger: createLogger('test', 'silent'),
  } as unknown as StatusFollowerDeps)
  jest.useFakeTimers()
  try {
    for (let round = 0; round < 2; round++) {
      const followed = statusFollower.follow()
      await jest.advanceTimersByTimeAsync(2000)
      await followed
    }
  } finally {
    jest.useRealTimers()
  }
  expect(did).toEqual(['stop 3', 'start 1', 'start 2', 'stop 3', 'start 2'])
})
