import { expect, test } from '@jest/globals'
import type { GiftRef } from '#promotion/payment/retry-jobs.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import type { PromotionType } from '#queues/gift-types.ts'

const always = () => true
const PAGE = 500

/** A failed set of so many jobs, and those of its targets that are final. */
function create(failed: (GiftRef | undefined)[], final: (gift: GiftRef) => boolean = () => true) {
  const asked: string[] = []
  const pages: number[] = []
  const retries = new SettledRetries({
    kysely: {} as never,
    finalTargets: async (_kysely, type, targetIds) => {
      asked.push(`${type} ${targetIds.length}`)
      return new Set(targetIds.filter(targetId => final({ type, targetId })))
    },
    retryJobs: {
      listFailed: async (from, limit) => {
        pages.push(from)
        return failed.slice(from, from + limit)
      },
      remove: async gifts => {
        const isGone = (job: GiftRef | undefined) =>
          gifts.some(({ type, targetId }) => job?.type === type && job.targetId === targetId)
        const left = failed.filter(job => !isGone(job))
        const removed = failed.length - left.length
        failed.splice(0, failed.length, ...left)
        return removed
      },
    },
  })
  return { retries, failed, asked, pages }
}

const jobs = (count: number, type: PromotionType = 'VOUCHER', from = 0): GiftRef[] =>
  Array.from({ length: count }, (_, index) => ({ type, targetId: String(from + index) }))

test('failed jobs of final gifts are removed by type, those of others and of strangers stay', async () => {
  const world = create([...jobs(3), undefined, ...jobs(2, 'POINT')], ({ targetId }) => targetId !== '1')
  expect(await world.retries.round(always)).toBe(3)
  expect(world.failed).toEqual([{ type: 'VOUCHER', targetId: '1' }, undefined, { type: 'POINT', targetId: '1' }])
  expect(world.asked.sort()).toEqual(['POINT 2', 'VOUCHER 3'])
})

test('a type without a failed job costs no query, and a round without one final gift removes none', async () => {
  const world = create(jobs(1, 'POINT'), () => false)
  expect(await world.retries.round(always)).toBe(0)
  expect(world.asked).toEqual(['POINT 1'])
  expect(world.failed).toHaveLength(1)
  expect(await create([]).retries.round(always)).toBe(0)
})

test('no job is passed over because those in front of it were removed', async () => {
  const isFinal = ({ targetId }: GiftRef) => Number(targetId) % 2 === 0
  const world = create(jobs(3 * PAGE), isFinal)
  expect(await world.retries.round(always)).toBe(1.5 * PAGE)
  expect(world.failed.every(job => job !== undefined && !isFinal(job))).toBe(true)
})

test('a round has an end, and the next one goes on where it was', async () => {
  const world = create(jobs(10 * PAGE + 3), ({ targetId }) => Number(targetId) >= 10 * PAGE)
  expect(await world.retries.round(always)).toBe(0)
  expect(world.pages).toHaveLength(10)
  expect(await world.retries.round(always)).toBe(3)
  expect(world.pages.at(-1)).toBe(10 * PAGE)
  // It has come to the end: from the first again, once.
  expect(await world.retries.round(() => world.pages.length < 12)).toBe(0)
  expect(world.pages.slice(11)).toEqual([0])
})

test('at the end of the list a round is over', async () => {
  const world = create(jobs(PAGE - 1), () => false)
  await world.retries.round(always)
  expect(world.pages).toEqual([0])
})

test('a process that stops begins no further page', async () => {
  const world = create(jobs(2 * PAGE), () => false)
  expect(await world.retries.round(() => false)).toBe(0)
  expect(world.pages).toEqual([])
  let turns = 1
  await world.retries.round(() => turns-- > 0)
  expect(world.pages).toEqual([0])
})
