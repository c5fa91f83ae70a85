import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { listDueChecks, moveUnknownToRetrying } from '#database/gifts/unknown.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createRetryJobs, type RetryJobs, type RetryRequest } from '#promotion/payment/retry-jobs.ts'
import { ResumedRetries } from '#promotion/upkeep/lost-retries.ts'
import { requeueOrphans } from '#promotion/upkeep/orphans.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import { checkUnknownRound, completionRound, sweepRound, type UpkeepDeps } from '#promotion/upkeep/upkeep.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import { createLogger } from '#runtime/logger.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository
let redis: TestRedis
let bull: Redis
let connection: StreamConnection
let retryJobs: RetryJobs

beforeAll(async () => {
  ;[db, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
  bull = new Redis(redis.url, { maxRetriesPerRequest: null })
  retryJobs = createRetryJobs({
    connection: bull,
    prefix: 'test',
    policy: { maxAttempts: 8, baseMs: 60_000, maxMs: 60_000 },
  })
}, 60_000)
afterAll(async () => {
  await retryJobs.stop()
  bull.disconnect()
  await connection.close()
  await Promise.all([redis.stop(), db.drop()])
})

const logger = createLogger('test', 'silent')
const always = () => true

function depsOf(overrides: Partial<UpkeepDeps> = {}): UpkeepDeps {
  const deps: UpkeepDeps = {
    kysely,
    promotions,
    registry: new PromotionConsumerRegistry(logger),
    producer: new PromotionStreamProducer({ connection, maxLen: 100_000 }),
    streams: GIFT_TYPES,
    events: { publish: async () => undefined } as unknown as UpkeepDeps['events'],
    topic: 'completed',
    quietMs: 0,
    logger,
    retryJobs,
    sweepAgeMs: 0,
    unknown: undefined as never,
    resumedRetries: new ResumedRetries({ kysely, promotions, retryJobs, sweepAgeMs: 60_000, logger }),
    settledRetries: new SettledRetries({ kysely, retryJobs }),
    ...overrides,
  }
  const moneyApi = { lookup: async () => ({ kind: 'no-charge' as const }) }
  const unknown = {
    ...{ kysely, moneyApi, resultUpdateService: { updateSuccess: async () => undefined } as never },
    ...{ retryJobs: { remove: retryJobs.remove, ...deps.retryJobs }, recheckMs: 60_000, logger },
  }
  return { ...deps, unknown }
}

async function promotion(status = 'IN_PROGRESS', totalCount = 0): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: 'test', type: 'VOUCHER', totalCount })
  await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  return id
}

/** Rows of a promotion, each moved on to `to`. */
async function gifts(
  promotionId: string,
  count: number,
  to?: 'RETRYING' | 'UNKNOWN' | 'FAILED' | 'SUCCESS',
  promotionSummaryId = promotionId,
) {
  const results = createGiftResultRepositories(kysely).VOUCHER
  const first = uniqueId() * 10_000n
  const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
  for (const targetId of targets) {
    const gift = { promotionId, promotionSummaryId, targetId, partitionKey: 'k', memberId: '7' }
    const place = { kafkaPartition: 0, kafkaOffset: '0', wantsEntry: true }
    await results.insert({ ...gift, amount: '100', message: '{}', ...place })
    if (to === 'SUCCESS') await results.move({ targetId, to, moneyKey: 'tx', posts: 1 })
    else if (to !== undefined) await results.move({ targetId, to, errorCode: 'x', errorMessage: '', posts: 1 })
  }
  return targets
}

const endAll = () => sql`update campaign_promotion set status = 'READY'`.execute(kysely)

describe('a Redis that hangs holds up no round of all instances', () => {
  test('reviving retry jobs fails after 5 s, then at once, and works again when Redis does', async () => {
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
  }, 20_000)

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

test('a process that stops begins no further promotion, page or question', async () => {
  for (const id of [await promotion(), await promotion()]) await gifts(id, 1, 'RETRYING')
  let revived = 0
  const deps = depsOf({
    retryJobs: {
      revive: async () => {
        revived += 1
        return 0
      },
    },
  })
  await sweepRound(deps, () => revived === 0)
  expect(revived).toBe(1)
  await sweepRound(deps, always)
  expect(revived).toBe(3)
  await endAll()
})

describe('completion looks before it takes the lock that inserts wait for', () => {
  const statusOf = async (id: string) => (await promotions.find(id))?.status
  /** A round while somebody inserts: what takes the lock waits, and fails. */
  const roundBesideInsert = async (id: string, round: (deps: UpkeepDeps) => Promise<void>, quietMs: number) => {
    const warnings: unknown[] = []
    const deps = depsOf({
      quietMs,
      logger: { ...logger, warn: (fields: object) => 'err' in fields && warnings.push(fields) } as never,
    })
    await kysely.transaction().execute(async transaction => {
      await sql`select 1 from campaign_promotion where id = ${id}::bigint for share`.execute(transaction)
      await round(deps)
    })
    expect(warnings).toEqual([])
    expect(await statusOf(id)).toBe('IN_PROGRESS')
  }
  const complete = (deps: UpkeepDeps) => completionRound(deps, always)
  const sweep = (deps: UpkeepDeps) => sweepRound(deps, always)

  test('a total that is too small, gifts still coming: not in the rounds, not in the sweeps', async () => {
    const id = await promotion('IN_PROGRESS', 1)
    await gifts(id, 3, 'SUCCESS')
    await roundBesideInsert(id, complete, 60_000)
    await roundBesideInsert(id, sweep, 60_000)
    await complete(depsOf())
    expect(await statusOf(id)).toBe('COMPLETED')
  }, 20_000)

  test('one gift that is PENDING, one that is RETRYING: not in the sweeps, though counters say otherwise', async () => {
    for (const open of [undefined, 'RETRYING'] as const) {
      const id = await promotion('IN_PROGRESS', 3)
      await gifts(id, 2, 'UNKNOWN')
      await gifts(id, 1, open)
      await sql`update campaign_promotion_summary set success_count = 9 where promotion_id = ${id}::bigint`.execute(
        kysely,
      )
      await roundBesideInsert(id, complete, 0)
      await roundBesideInsert(id, sweep, 0)
      await endAll()
    }
  }, 20_000)

  test('UNKNOWN gifts are counted without a sweep; counters that are too low are made good by one', async () => {
    const [counted, miscounted] = [await promotion('IN_PROGRESS', 4), await promotion('IN_PROGRESS', 2)]
    await gifts(counted, 2, 'SUCCESS')
    await gifts(counted, 1, 'FAILED')
    await gifts(counted, 1, 'UNKNOWN')
    await gifts(miscounted, 2, 'SUCCESS')
    await sql`update campaign_promotion_summary set success_count = 0 where promotion_id = ${miscounted}::bigint`.execute(
      kysely,
    )
    await complete(depsOf())
    expect([await statusOf(counted), await statusOf(miscounted)]).toEqual(['COMPLETED', 'IN_PROGRESS'])
    await sweep(depsOf())
    expect(await statusOf(miscounted)).toBe('COMPLETED')
  })
})

test('a promotion that fails, and a step that fails, keep no completed event from being published', async () => {
  const ended = [await promotion('COMPLETED'), await promotion('COMPLETED'), await promotion('COMPLETED')]
  await sql`update campaign_promotion set finished_at = now() - interval '1 minute'`.execute(kysely)
  const [stubborn, unheard, plain] = ended as [string, string, string]
  const published: string[] = []
  const deps = depsOf({
    promotions: { ...promotions, listEnded: () => Promise.reject(new Error('the database is busy')) },
    registry: {
      cleanupStream: async (queue: { name: string }) => {
        if (queue.name.includes(stubborn)) throw new Error('OOM')
      },
    } as never,
    events: {
      publish: async ({ key }: { key: string }) => {
        if (key === unheard) throw new Error('Kafka is busy')
        published.push(key)
      },
    } as never,
  })
  await completionRound(deps, always)
  expect(published.filter(id => ended.includes(id))).toEqual([plain])
  await completionRound(depsOf(), always)
  const { rows } = await sql`select 1 from campaign_promotion where completed_event_at is null
    and id = any (${ended}::bigint[])`.execute(kysely)
  expect(rows).toEqual([])
})

describe('entries of a STOPPED promotion', () => {
  const add = (id: string) => redis.probe.xadd(GIFT_TYPES.VOUCHER.streamKey(id), '*', 'key', 'k', 'message', '{}')
  const length = (id: string) => redis.probe.xlen(GIFT_TYPES.VOUCHER.streamKey(id))

  test('are removed also when another program set the status, which dates nothing', async () => {
    const id = await promotion('STOPPED')
    await add(id)
    await completionRound(depsOf(), always)
    expect(await length(id)).toBe(0)
    expect((await promotions.find(id))?.finishedAt).toEqual(expect.any(String))
  })

  test('stay when it is started between the list and the removal, or between two steps of it', async () => {
    for (const [startsBefore, left] of [
      [1, 2],
      [2, 1],
    ] as const) {
      const id = await promotion('STOPPED')
      await add(id)
      let looks = 0
      const start = async () => {
        await promotions.move(id, ['STOPPED'], 'IN_PROGRESS')
        await add(id)
      }
      const find = async (promotionId: string) => {
        if (promotionId === id && ++looks === startsBefore) await start()
        return promotions.find(promotionId)
      }
      await completionRound(depsOf({ promotions: { ...promotions, find } }), always)
      expect([looks, await length(id)]).toEqual([startsBefore, left])
    }
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

  test('are there again after the next round once it goes on, also by SQL, however young their rows are', async () => {
    await endAll()
    const [paused, other] = [await promotion(), await promotion('PAUSED')]
    const [targets, others] = [await gifts(paused, 3, 'RETRYING'), await gifts(other, 1, 'RETRYING')]
    await setStatus(paused, 'PAUSED')
    const deps = depsOf({ sweepAgeMs: 60_000 })
    await completionRound(deps, always)
    expect(await liveJobs([...targets, ...others])).toEqual([false, false, false, false])
    await setStatus(paused, 'IN_PROGRESS')
    await completionRound(deps, always)
    expect(await liveJobs([...targets, ...others])).toEqual([true, true, true, false])
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

test('a full stream is not walked through for rows that would not fit', async () => {
  const id = await promotion()
  await gifts(id, 3)
  let walks = 0
  const entries = async function* () {
    walks += 1
    yield* []
  }
  const full = { queue: () => ({ length: async () => 0, entries }), room: async () => 0 }
  const deps = { kysely, producer: full as never, stream: GIFT_TYPES.VOUCHER, ageMs: 0 }
  expect(await requeueOrphans({ id, type: 'VOUCHER' } as never, deps)).toBe(0)
  expect(walks).toBe(0)
  await endAll()
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
