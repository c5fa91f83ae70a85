import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { listDueChecks, moveUnknownToRetrying } from '#database/gifts/unknown.ts'
import type { RetryJobs, RetryRequest } from '#promotion/payment/retry-jobs.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import { checkUnknownRound, completionRound, sweepRound } from '#promotion/upkeep/upkeep.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import { type TestRedis, until } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { UpkeepRig } from '#test/support/upkeep-rig.ts'

let rig: UpkeepRig
let kysely: Kysely<unknown>
let redis: TestRedis
let bull: Redis
let retryJobs: RetryJobs
let { depsOf, promotion, gifts, endAll } = {} as UpkeepRig

beforeAll(async () => {
  rig = await UpkeepRig.create()
  ;({ kysely, redis, bull, retryJobs, depsOf, promotion, gifts, endAll } = rig)
}, 60_000)
afterAll(() => rig.stop())

const always = () => true

describe('a Redis that hangs delays no round of all instances', () => {
  slowTest(
    'reviving retry jobs fails after 5 s, then at once, and works again when Redis does',
    async () => {
      const job: RetryRequest = { data: { type: 'VOUCHER', promotionId: '1', targetId: '1' }, attempts: 1 }
      expect(await retryJobs.revive([job])).toBe(1)
      redis.server.signal('SIGSTOP')
      try {
        await expect(retryJobs.revive([job])).rejects.toThrow('took longer than 5000 ms')
        const from = performance.now()
        await expect(retryJobs.revive([job])).rejects.toThrow('is still waiting')
        expect(performance.now() - from).toBeLessThan(1000)
      } finally {
        redis.server.signal('SIGCONT')
      }
      await until('jobs are revived', () =>
        retryJobs.revive([job]).then(
          revived => revived === 0,
          () => false,
        ),
      )
    },
    20_000,
  )

  test('a gift whose retry job cannot be looked after keeps nobody from asking about the others', async () => {
    const id = await promotion()
    const [retrying, unknown] = await gifts(id, 2, 'UNKNOWN')
    await moveUnknownToRetrying(kysely, { id, type: 'VOUCHER' }, [retrying!], 0)
    await sql`update campaign_promotion_unknown_check set next_check_at = now() - interval '1 second'`.execute(kysely)
    const asked: string[] = []
    const deps = depsOf({ retryJobs: { revive: () => Promise.reject(new Error('Redis is away')) } })
    deps.unknown.moneyApi.lookup = async ({ targetId }) => {
      asked.push(targetId)
      return { kind: 'no-charge' }
    }
    await checkUnknownRound(deps, always)
    expect(asked).toEqual([unknown])
    await endAll()
  })
})

test('a check of a gift type that this version does not know is left to a process that does', async () => {
  const [targetId] = await gifts(await promotion(), 1)
  await sql`
    insert into campaign_promotion_unknown_check (type, target_id, promotion_id, next_check_at)
    values ('COUPON', 7, 1, now() - interval '1 hour'),
      ('VOUCHER', ${targetId}::bigint, 1, now() - interval '1 minute')`.execute(kysely)
  const due = await listDueChecks(kysely, 100)
  expect(due.filter(({ promotionId }) => promotionId === '1')).toMatchObject([
    { type: 'VOUCHER', targetId, status: 'PENDING' },
  ])
  await checkUnknownRound(depsOf(), always)
  const { rows } = await sql`select 1 from campaign_promotion_unknown_check where type = 'COUPON'`.execute(kysely)
  expect(rows).toHaveLength(1)
  await sql`delete from campaign_promotion_unknown_check`.execute(kysely)
})

describe('retry jobs that were dropped while their promotion was paused', () => {
  const liveJobs = (targets: readonly string[]) => retryJobs.findLive('VOUCHER', targets)
  const setStatus = (id: string, status: string) =>
    sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)

  const age = (targets: readonly string[], seconds: number) =>
    sql`update campaign_promotion_voucher_result set updated_at = now() - make_interval(secs => ${seconds})
      where voucher_target_id = any (${targets}::bigint[])`.execute(kysely)

  test('are there again after the next round once it goes on, also by SQL, long before the sweep', async () => {
    await endAll()
    const [paused, other] = [await promotion(), await promotion('PAUSED')]
    const [targets, others] = [await gifts(paused, 3, 'RETRYING'), await gifts(other, 1, 'RETRYING')]
    await age([...targets, ...others], 4)
    await setStatus(paused, 'PAUSED')
    const deps = depsOf({ sweepAgeMs: 60_000 })
    await completionRound(deps, always)
    expect(await liveJobs([...targets, ...others])).toEqual([false, false, false, false])
    await setStatus(paused, 'IN_PROGRESS')
    await completionRound(deps, always)
    expect(await liveJobs([...targets, ...others])).toEqual([true, true, true, false])
  })

  test('a row whose retry message may still be on its way is left to it: only that knows what Retry-After said', async () => {
    await endAll()
    const id = await promotion()
    const [young, old] = [await gifts(id, 1, 'RETRYING'), await gifts(id, 1, 'RETRYING')]
    await age(old, 4)
    const deps = depsOf({ sweepAgeMs: 60_000 })
    await completionRound(deps, always)
    expect(await liveJobs([...young, ...old])).toEqual([false, true])
    await age(young, 4)
    await completionRound(deps, always)
    expect(await liveJobs(young)).toEqual([true])
  })
})

describe('failed retry jobs of gifts that are final', () => {
  const failedKey = `test:${RETRY_QUEUE_NAME}:failed`

  /** As BullMQ leaves a job that has failed for good. */
  async function fail(targetIds: readonly string[]): Promise<void> {
    const data = (targetId: string) => ({ type: 'VOUCHER' as const, promotionId: '1', targetId })
    await retryJobs.add(targetIds.map(targetId => ({ data: data(targetId), attempts: 1 })))
    for (const [index, targetId] of targetIds.entries()) {
      await bull.zrem(`test:${RETRY_QUEUE_NAME}:delayed`, `VOUCHER-${targetId}`)
      await bull.zadd(failedKey, index, `VOUCHER-${targetId}`)
    }
  }

  test('are removed by the sweep, in bounded steps that reach them all; those of others stay', async () => {
    const id = await promotion()
    const [unknown, paid] = [await gifts(id, 40, 'UNKNOWN'), await gifts(id, 20, 'SUCCESS')]
    const order = unknown.flatMap((targetId, index) => [targetId, ...paid.slice(index, index + 1)])
    await fail(['999999', ...order])
    await bull.zadd(failedKey, 0, 'of-somebody-else')
    const settled = new SettledRetries({ kysely, retryJobs })

    await sweepRound(depsOf({ settledRetries: settled }), always)
    const left = (await bull.zrange(failedKey, '0', '-1')).sort()
    expect(left).toEqual(['of-somebody-else', 'VOUCHER-999999', ...unknown.map(each => `VOUCHER-${each}`)].sort())
    expect(await bull.exists(`test:${RETRY_QUEUE_NAME}:VOUCHER-${paid[0]}`)).toBe(0)
    await bull.del(failedKey)
  })

  test('a page that moves up while it is walked leaves none out', async () => {
    const targets = Array.from({ length: 1300 }, (_, index) => String(5_000_000 + index))
    const isFinal = (targetId: string) => Number(targetId) % 3 > 0
    const failed = [...targets]
    const removed: string[] = []
    const settled = new SettledRetries({
      kysely: {} as never,
      retryJobs: {
        listFailed: async (from, limit) =>
          failed.slice(from, from + limit).map(targetId => ({ type: 'VOUCHER' as const, targetId })),
        remove: async gone => {
          for (const { targetId } of gone) failed.splice(failed.indexOf(targetId), 1)
          removed.push(...gone.map(({ targetId }) => targetId))
          return gone.length
        },
      },
      finalTargets: async (_kysely, _type, targetIds) => new Set(targetIds.filter(isFinal)),
    })
    expect(await settled.round(always)).toBe(targets.filter(isFinal).length)
    expect(failed).toEqual(targets.filter(each => !isFinal(each)))
  })

  test('the check that finds an UNKNOWN gift paid takes its job along', async () => {
    const id = await promotion()
    const [paid, unpaid] = await gifts(id, 2, 'UNKNOWN')
    await fail([paid!, unpaid!])
    await sql`update campaign_promotion_unknown_check set next_check_at = now() - interval '1 second'`.execute(kysely)
    const deps = depsOf()
    deps.unknown.moneyApi.lookup = async ({ targetId }) =>
      targetId === paid ? { kind: 'charged', transactionKey: 'tx' } : { kind: 'no-charge' }
    await checkUnknownRound(deps, always)
    expect(await bull.zrange(failedKey, '0', '-1')).toEqual([`VOUCHER-${unpaid}`])
    await bull.del(failedKey)
    await endAll()
  })
})

test('gifts of another promotion are not put back, whoever names them', async () => {
  const [id, otherId] = [await promotion(), await promotion()]
  const [own] = await gifts(id, 1, 'UNKNOWN')
  const [other] = await gifts(otherId, 1, 'UNKNOWN')
  expect(await moveUnknownToRetrying(kysely, { id, type: 'VOUCHER' }, [own!, other!], 60_000)).toEqual([own])
  const { rows } = await sql<{ status: string }>`select process_status as status from campaign_promotion_voucher_result
    where voucher_target_id = ${other}::bigint`.execute(kysely)
  expect(rows).toEqual([{ status: 'UNKNOWN' }])
  await endAll()
})
