import { describe, expect, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { reviveLostRetries } from '#promotion/upkeep/lost-retries.ts'
import { requeueOrphans } from '#promotion/upkeep/orphans.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

const PROMOTION = { id: '1', type: 'VOUCHER' } as Promotion
const IDS = { promotionId: '1', promotionSummaryId: '2', partitionKey: 'k', memberId: '7', amount: '100' }
const messageOf = (voucherTargetId: string) => JSON.stringify({ ...IDS, voucherTargetId })

/** Rows 1 … `count` in `status`, read page by page; `pages` = where each page began. */
function databaseOf(count: number, status: 'PENDING' | 'RETRYING') {
  const pages: string[] = []
  const { kysely } = scriptedKysely(({ sql: statement, parameters: values }) => {
    if (statement.includes('count(*)')) return [{ count }]
    const afterId = String(values[values.lastIndexOf(status) - 1])
    const limit = Number(values.at(-1))
    pages.push(afterId)
    return Array.from({ length: count }, (_, index) => String(index + 1))
      .filter(id => Number(id) > Number(afterId))
      .slice(0, limit)
      .map(id => ({ id, targetId: id, partitionKey: `k${id}`, message: messageOf(id), attempts: 3 }))
  })
  return { kysely, pages }
}

describe('rows that have lost their entry', () => {
  /** A stream with entries of these targets, and room for so many more. */
  function create(count: number, onStream: readonly string[], room: number, takes = room) {
    const { kysely, pages } = databaseOf(count, 'PENDING')
    const added: string[] = []
    let scans = 0
    const producer = {
      room: async () => Math.max(0, room - added.length),
      queue: () => ({
        length: async () => onStream.length,
        entries: async function* () {
          scans += 1
          yield* onStream.map(target => ({ message: target === '' ? 'no gift' : messageOf(target) }))
        },
      }),
      enqueueAll: async (_streamKey: string, entries: readonly { key: string; message: string }[]) => {
        const taken = entries.slice(0, takes - added.length)
        added.push(...taken.map(({ message }) => (JSON.parse(message) as { voucherTargetId: string }).voucherTargetId))
        return taken.length
      },
    } as unknown as PromotionStreamProducer
    const requeue = (hasTime?: () => boolean) =>
      requeueOrphans(PROMOTION, {
        ...{ kysely, producer, stream: promotionStreams('').VOUCHER, ageMs: 60_000 },
        ...(hasTime === undefined ? {} : { hasTime }),
      })
    return { requeue, added, pages, scans: () => scans }
  }

  test('get it back, and those that have theirs get no second one', async () => {
    const { requeue, added } = create(5, ['2', '4', ''], 1000)
    expect(await requeue()).toBe(3)
    expect(added).toEqual(['1', '3', '5'])
  })

  test('are not searched for while the stream has as many entries as rows wait', async () => {
    const { requeue, pages, scans } = create(2, ['1', '2'], 1000)
    expect(await requeue()).toBe(0)
    expect([pages, scans()]).toEqual([[], 0])
  })

  test('wait while the stream is full, which is not walked through for them', async () => {
    const { requeue, pages, scans } = create(2, [], 0)
    expect(await requeue()).toBe(0)
    expect([pages, scans()]).toEqual([[], 0])
  })

  test('are found on every page, each once', async () => {
    const { requeue, added, pages } = create(1001, [], 10_000)
    expect(await requeue()).toBe(1001)
    expect(new Set(added).size).toBe(1001)
    expect(pages).toEqual(['0', '500', '1000'])
  })

  test('are put back as far as there is room, and the others wait for the next round', async () => {
    const { requeue, added, pages } = create(1001, [], 700)
    expect(await requeue()).toBe(700)
    expect([added.length, pages]).toEqual([700, ['0', '500']])
  })

  test('behind those that the stream did not take wait, in their order', async () => {
    const { requeue, added, pages } = create(1001, [], 10_000, 100)
    expect(await requeue()).toBe(100)
    expect([added.length, pages]).toEqual([100, ['0']])
  })

  test('of a further page are left to the next process by one that stops', async () => {
    const { requeue, added } = create(1001, [], 10_000)
    expect(await requeue(() => false)).toBe(500)
    expect(added).toHaveLength(500)
  })
})

describe('RETRYING rows', () => {
  const revive = async (count: number, hasTime: () => boolean) => {
    const { kysely, pages } = databaseOf(count, 'RETRYING')
    const jobs: unknown[] = []
    const retryJobs = {
      revive: async (page: readonly unknown[]) => {
        jobs.push(...page)
        return page.length - 1
      },
    }
    const revived = await reviveLostRetries(PROMOTION, { kysely, retryJobs, ageMs: 3000, hasTime })
    return { revived, jobs, pages }
  }

  test('are all looked after, page by page, with what the row counts; returned is how many had no job', async () => {
    const { revived, jobs, pages } = await revive(501, () => true)
    expect(jobs[0]).toEqual({ data: { type: 'VOUCHER', promotionId: '1', targetId: '1' }, attempts: 3 })
    expect([revived, jobs.length, pages]).toEqual([499, 501, ['0', '500']])
  })

  test('that fill their last page leave nothing to be asked of Redis', async () => {
    const { revived, jobs, pages } = await revive(500, () => true)
    expect([revived, jobs.length, pages]).toEqual([499, 500, ['0', '500']])
  })

  test('of a further page are left by a process that stops', async () => {
    expect((await revive(501, () => false)).jobs).toHaveLength(500)
  })
})
