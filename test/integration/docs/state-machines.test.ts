import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import type { NewGift, Transition } from '#database/gifts/gift.ts'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { moveUnknownToRetrying } from '#database/gifts/unknown.ts'
import { complete } from '#database/promotions/completion.ts'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { PROMOTION_STATUSES, type PromotionStatus } from '#database/promotions/promotion-status.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createOperations, type Operations } from '#promotion/operations.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { createTestDatabase, type TestDatabase } from '../../support/stack-env.ts'
import { transitionsOf } from '../../support/transitions.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let results: GiftResultRepositories
let promotions: PromotionRepository
let lastId = 100n

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  results = createGiftResultRepositories(kysely)
  promotions = createPromotionRepository(kysely)
}, 60_000)
afterAll(() => db.drop())

const newId = () => String(++lastId)

async function promotionIn(status: PromotionStatus, type: 'VOUCHER' | 'POINT' = 'VOUCHER', totalCount = 0) {
  const id = newId()
  await promotions.create({ id, name: '', type, totalCount })
  await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  return id
}

const giftOf = (promotionId: string, targetId: string): NewGift => ({
  promotionId,
  promotionSummaryId: promotionId,
  targetId,
  partitionKey: 'k',
  memberId: '7',
  amount: '100',
  message: '{}',
  kafkaPartition: 0,
  kafkaOffset: '1',
  wantsEntry: false,
})

const pairsOf = <State extends string>(states: readonly State[]) =>
  states.flatMap(from => states.map(to => [from, to] as const))

describe.each(PROMOTION_TYPES)('a %s gift', type => {
  const machine = transitionsOf('A gift')

  const transition = (targetId: string, to: Exclude<ProcessStatus, 'PENDING'>): Transition =>
    to === 'SUCCESS'
      ? { targetId, to, moneyKey: `tx-${targetId}`, posts: 1 }
      : { targetId, to, errorCode: 'HTTP_500', errorMessage: 'busy', posts: 1 }

  async function giftIn(status: ProcessStatus) {
    const promotionId = await promotionIn('IN_PROGRESS', type)
    const targetId = newId()
    await results[type].insert(giftOf(promotionId, targetId))
    if (status !== 'PENDING') await results[type].move(transition(targetId, status))
    return { promotionId, targetId }
  }

  /** What each statement that writes a state makes of a row. */
  const BY: Record<string, (gift: { promotionId: string; targetId: string }, to: ProcessStatus) => Promise<unknown>> = {
    insert: ({ promotionId, targetId }, to) =>
      to === 'PENDING' ? results[type].insert(giftOf(promotionId, targetId)) : Promise.resolve(),
    move: async ({ targetId }, to) => to !== 'PENDING' && results[type].move(transition(targetId, to)),
    retry: ({ promotionId, targetId }, to) =>
      to === 'RETRYING'
        ? moveUnknownToRetrying(kysely, { id: promotionId, type }, [targetId], 60_000)
        : Promise.resolve(),
  }
  const cases = pairsOf(PROCESS_STATUSES).flatMap(([from, to]) => Object.keys(BY).map(by => [from, to, by] as const))

  test.each(cases)('%s → %s, by %s', async (from, to, by) => {
    const gift = await giftIn(from)
    const before = await results[type].find(gift.targetId)
    await BY[by]!(gift, to)
    const after = await results[type].find(gift.targetId)
    if (machine.by(from, to).includes(by)) {
      expect(after?.processStatus).toBe(to)
      expect(after?.attempts).toBe(before!.attempts + (by === 'move' ? 1 : 0))
    } else expect(after).toEqual(before)
  })

  test('each way that is listed is one of these', () => {
    for (const [from, to] of pairsOf(PROCESS_STATUSES))
      if (machine.allows(from, to)) expect(machine.by(from, to).filter(by => by in BY)).toHaveLength(1)
    expect(machine.listed).toHaveLength(11)
  })

  test('no statement of ours makes a gift PENDING again: the compiler refuses it', () => {
    // @ts-expect-error: a transition to PENDING is none.
    const wrong: Transition = { targetId: '1', to: 'PENDING', errorCode: '', errorMessage: '', posts: 0 }
    expect(wrong).toBeDefined()
  })
})

describe('a promotion', () => {
  const machine = transitionsOf('A promotion')
  let operations: Operations
  const budget = () => createErrorBudgetRepository(kysely)

  beforeAll(() => {
    const streams = undefined as never
    operations = createOperations({ kysely, promotions, streams, logger: createLogger('test', 'silent') })
  })

  /** Everything that writes a status, and where it brings the promotion. */
  const OPERATIONS: Record<string, { to: PromotionStatus; run(id: string): Promise<unknown> }> = {
    start: { to: 'IN_PROGRESS', run: id => operations.start(id) },
    'started event': { to: 'IN_PROGRESS', run: id => promotions.start(id, 1) },
    resume: { to: 'IN_PROGRESS', run: id => operations.resume(id) },
    pause: { to: 'PAUSED', run: id => operations.pause(id) },
    'error budget': { to: 'PAUSED', run: id => budget().pause(id, 'too many FAILED') },
    stop: { to: 'STOPPED', run: id => operations.stop(id) },
    finish: { to: 'COMPLETED', run: id => operations.finish(id) },
    completion: { to: 'COMPLETED', run: async id => complete(kysely, (await promotions.find(id))!, -1000) },
  }
  const QUIET = ['started event', 'error budget', 'completion']
  const cases = Object.keys(OPERATIONS).flatMap(name => PROMOTION_STATUSES.map(from => [name, from] as const))

  /** One with a gift that is SUCCESS, of one: as complete as it can be. */
  async function fullPromotionIn(status: PromotionStatus, processStatus = 'SUCCESS') {
    const id = await promotionIn(status, 'VOUCHER', 1)
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message, process_status)
      values (${id}::bigint, 1, ${id}::bigint, 'k', 1, 1, '{}', ${processStatus})`.execute(kysely)
    return id
  }
  const statusOf = async (id: string) => (await promotions.find(id))?.status

  test.each(cases)('%s, when it is %s', async (name, from) => {
    const { to, run } = OPERATIONS[name]!
    const id = await fullPromotionIn(from)
    const outcome = await run(id).then(
      () => 'done',
      error => error.code,
    )
    if (machine.by(from, to).includes(name)) expect([outcome, await statusOf(id)]).toEqual(['done', to])
    else {
      // Where it would bring it anyway, or nobody asked: nothing happens. Else it is refused.
      const expected = from === to || QUIET.includes(name) ? 'done' : 'PROMOTION_WRONG_STATE'
      expect([outcome, await statusOf(id)]).toEqual([expected, from])
    }
  })

  test.each(['PENDING', 'RETRYING'])('neither completion nor finish while a gift is %s', async processStatus => {
    const id = await fullPromotionIn('IN_PROGRESS', processStatus)
    await OPERATIONS.completion!.run(id)
    await expect(operations.finish(id)).rejects.toMatchObject({ code: 'PROMOTION_UNFINISHED' })
    expect(await statusOf(id)).toBe('IN_PROGRESS')
  })

  test.each(PROMOTION_STATUSES)('a gift that comes for one that is %s', async status => {
    const id = await promotionIn(status)
    const { kind } = await results.VOUCHER.insert(giftOf(id, newId()))
    expect(kind).toBe(['STOPPED', 'COMPLETED'].includes(status) ? 'skipped' : 'inserted')
  })

  test('each way that is listed is one of these', () => {
    const reasons = pairsOf(PROMOTION_STATUSES).flatMap(([from, to]) => machine.by(from, to).map(by => [by, to]))
    expect(reasons.length).toBeGreaterThan(12)
    for (const [by, to] of reasons) expect([by, OPERATIONS[by!]?.to]).toEqual([by, to])
    expect(machine.listed).toHaveLength(10)
  })
})
