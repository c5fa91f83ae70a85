import { describe, expect, test } from '@jest/globals'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { LookupMeaning } from '#money/charge.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createOperations, type OperationsDeps } from '#promotion/operations.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import type { Logger } from '#runtime/logger.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

interface World {
  status?: PromotionStatus
  /** Targets with their states; all of them are the promotion's. */
  gifts?: Record<string, ProcessStatus>
  /** Rows that have lost their entry, and such as never had one. */
  orphans?: number
  unqueued?: number
  isRedisAway?: boolean
  answer?: LookupMeaning
}

/** Promotion 42, without what is named in `without`; and what was done. */
function create(world: World = {}, ...without: (keyof OperationsDeps)[]) {
  const { gifts = {}, orphans = 0, unqueued = 0, answer = { kind: 'no-charge' } } = world
  const did: string[] = []
  const promotion = { id: '42', type: 'VOUCHER', totalCount: 5, status: world.status ?? 'IN_PROGRESS' } as Promotion
  const find = (id: string) => (id === '42' ? { ...promotion } : undefined)
  const promotions = {
    find: async (id: string) => find(id),
    move: async (id: string, from: readonly PromotionStatus[], to: PromotionStatus) => {
      const changed = from.includes(promotion.status)
      if (changed && id === '42') promotion.status = to
      return id === '42' ? { promotion: { ...promotion }, changed } : undefined
    },
  } as unknown as PromotionRepository
  const rowsOf = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...{ id: String(index + 1), targetId: String(index + 1), message: '', pending: true },
    }))
  const unknown = Object.keys(gifts).filter(targetId => gifts[targetId] === 'UNKNOWN')
  const complete = () => {
    if (promotion.status === 'COMPLETED' || promotion.status === 'READY') return []
    const { pending, retrying } = countsOf(gifts)
    if (pending + retrying === 0) promotion.status = 'COMPLETED'
    return [{ id: '42' }]
  }
  const retry = (targetIds: readonly string[]) => {
    const moved = targetIds.filter(targetId => unknown.includes(targetId))
    did.push(`move ${moved.length}`)
    return moved.map(targetId => ({ targetId }))
  }
  const pageOf = ([afterId, limit]: readonly unknown[]) => {
    const page = unknown.filter(targetId => Number(targetId) > Number(afterId)).slice(0, Number(limit))
    return page.map(targetId => ({ id: targetId, targetId }))
  }
  /** By what a statement holds, the first that fits. */
  const answers: [string, (parameters: readonly unknown[]) => object[]][] = [
    ["set status = 'COMPLETED'", complete],
    ['as retrying', () => [countsOf(gifts)]],
    ['finish_difference', () => [{ difference: -2 }]],
    ['process_status as status', () => Object.entries(gifts).map(([targetId, status]) => ({ targetId, status }))],
    ["set process_status = 'RETRYING'", ([targetIds]) => retry(targetIds as string[])],
    ['from campaign_promotion_exception e', parameters => pageOf(parameters.slice(-2))],
    ['count(*)::float8 as count', () => [{ count: orphans }]],
    ['r.enqueued', () => rowsOf(orphans)],
    ['pg_try_advisory_xact_lock', () => [{ locked: true }]],
    ['not enqueued', () => rowsOf(unqueued)],
  ]
  const { kysely } = scriptedKysely(
    ({ sql, parameters }) => answers.find(([part]) => sql.includes(part))?.[1](parameters) ?? [],
  )
  const producer = {
    room: async () => {
      if (world.isRedisAway) throw new Error('Redis is away')
      return 1000
    },
    queue: () => ({ length: async () => 0, entries: async function* () {} }),
    enqueueAll: async (_streamKey: string, entries: readonly unknown[]) => {
      did.push(`enqueue ${entries.length}`)
      return entries.length
    },
  } as unknown as PromotionStreamProducer
  const logger = { warn: () => did.push('warn') } as unknown as Logger
  const publish = async (event: object) => void did.push(JSON.stringify(event))
  const deps: OperationsDeps = {
    ...{ kysely, promotions, streams: promotionStreams(''), logger },
    ...{ producer, events: { provider: { publish }, startedTopic: 'started' } },
    retryJobs: { revive: async jobs => did.push(`revive ${jobs.map(({ data }) => data.targetId)}`) },
    money: {
      moneyApi: { lookup: async () => answer },
      resultUpdateService: { updateSuccess: async (_type, { targetId }) => void did.push(`paid ${targetId}`) },
    },
  }
  for (const part of without) delete deps[part]
  return { operations: createOperations(deps), did, promotion }
}

function countsOf(gifts: Record<string, ProcessStatus>) {
  const states = Object.values(gifts)
  const count = (status: ProcessStatus) => states.filter(each => each === status).length
  return { pending: count('PENDING'), retrying: count('RETRYING'), count: states.length }
}

const STARTED = JSON.stringify({
  ...{ topic: 'started', key: '42' },
  value: JSON.stringify({ promotionId: '42', totalCount: 5, type: 'VOUCHER' }),
})
const wrongState = { code: 'PROMOTION_WRONG_STATE' }

describe('an operation that changes the state', () => {
  const ALL = ['READY', 'IN_PROGRESS', 'PAUSED', 'COMPLETED', 'STOPPED'] as const

  test.each([
    ['start', 'IN_PROGRESS', ['READY', 'PAUSED', 'STOPPED']],
    ['pause', 'PAUSED', ['IN_PROGRESS']],
    ['resume', 'IN_PROGRESS', ['PAUSED']],
    ['stop', 'STOPPED', ['READY', 'IN_PROGRESS', 'PAUSED']],
  ] as const)(
    '%s leads to %s, and called again changes nothing',
    async (name, to, from: readonly PromotionStatus[]) => {
      for (const status of ALL) {
        const done = create({ status }).operations[name]('42')
        if (from.includes(status)) expect(await done).toMatchObject({ changed: true, promotion: { status: to } })
        else if (status === to) expect(await done).toMatchObject({ changed: false, promotion: { status: to } })
        else await expect(done).rejects.toMatchObject(wrongState)
      }
    },
  )

  test.each(['start', 'pause', 'resume', 'stop', 'finish', 'rebuild', 'retryUnknown', 'reconcileUnknown'] as const)(
    '%s refuses a promotion that does not exist',
    async name => {
      await expect(create().operations[name]('43')).rejects.toMatchObject({ code: 'PROMOTION_NOT_FOUND' })
    },
  )
})

describe('a start', () => {
  test('tells it, again where it has been told', async () => {
    for (const status of ['READY', 'IN_PROGRESS'] as const) {
      const { operations, did } = create({ status, orphans: 3 })
      await operations.start('42')
      expect(did).toEqual([STARTED])
    }
  })

  test.each(['PAUSED', 'STOPPED'] as const)(
    'of one that was %s puts back what is missing, before it is told',
    async status => {
      const { operations, did } = create({ status, orphans: 3 })
      await operations.start('42')
      expect(did).toEqual(['enqueue 3', STARTED])
    },
  )

  test('without Kafka tells nobody', async () => {
    const { operations, did } = create({ status: 'READY' }, 'events')
    expect(await operations.start('42')).toMatchObject({ changed: true })
    expect(did).toEqual([])
  })
})

describe('a resume', () => {
  test('puts back what is missing, once', async () => {
    const { operations, did } = create({ status: 'PAUSED', orphans: 3, unqueued: 2 })
    await operations.resume('42')
    await operations.resume('42')
    expect(did).toEqual(['enqueue 3', 'enqueue 2'])
  })

  test('stands though Redis is away, which is said, or is not given', async () => {
    const away = create({ status: 'PAUSED', orphans: 3, isRedisAway: true })
    expect(await away.operations.resume('42')).toMatchObject({ changed: true })
    const without = create({ status: 'PAUSED', orphans: 3 }, 'producer')
    expect(await without.operations.resume('42')).toMatchObject({ changed: true })
    expect([away.did, without.did]).toEqual([['warn'], []])
  })
})

describe('a finish', () => {
  test('records by how much the rows differ from the total; called again it changes nothing', async () => {
    const { operations } = create({ gifts: { '1': 'SUCCESS', '2': 'UNKNOWN' } })
    const promotion = expect.objectContaining({ status: 'COMPLETED' })
    expect(await operations.finish('42')).toEqual({ promotion, changed: true, difference: -2 })
    expect(await operations.finish('42')).toEqual({ promotion, changed: false, difference: null })
  })

  test.each(['PENDING', 'RETRYING'] as const)('waits for gifts that are %s', async status => {
    const { operations, promotion } = create({ gifts: { '1': status } })
    await expect(operations.finish('42')).rejects.toMatchObject({ code: 'PROMOTION_UNFINISHED' })
    expect(promotion.status).toBe('IN_PROGRESS')
  })

  test('of one that was never started is refused', async () => {
    await expect(create({ status: 'READY' }).operations.finish('42')).rejects.toMatchObject(wrongState)
  })
})

describe('a rebuild', () => {
  test.each([
    [3, 2, true],
    [3, 0, true],
    [0, 2, true],
    [0, 0, false],
  ])('puts back %i lost entries and adds %i', async (orphans, unqueued, changed) => {
    const { operations } = create({ orphans, unqueued })
    expect(await operations.rebuild('42')).toMatchObject({ requeued: orphans, refilled: unqueued, changed })
  })

  test('is for promotions that run, and needs Redis', async () => {
    await expect(create({ status: 'PAUSED' }).operations.rebuild('42')).rejects.toMatchObject(wrongState)
    await expect(create({}, 'producer').operations.rebuild('42')).rejects.toMatchObject({
      code: 'OPERATION_UNAVAILABLE',
    })
  })
})

describe('UNKNOWN gifts', () => {
  const unknown = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [String(index + 1), 'UNKNOWN' as const]))

  test('are all retried, page by page, each with a job', async () => {
    const { operations, did } = create({ gifts: { ...unknown(501), '9': 'SUCCESS' } })
    const progress: number[] = []
    const done = await operations.retryUnknown('42', { onProgress: retried => progress.push(retried) })
    expect(done).toMatchObject({ changed: true, retried: 500 })
    expect(progress).toEqual([500, 500])
    expect(did.filter(each => each.startsWith('move'))).toEqual(['move 500', 'move 0'])
  })

  test('that are named are retried alone, with those that are being retried', async () => {
    const { operations, did } = create({ gifts: { ...unknown(2), '3': 'RETRYING' } })
    expect(await operations.retryUnknown('42', { targetIds: ['2', '3'] })).toMatchObject({ changed: true, retried: 1 })
    expect(did).toEqual(['move 1', 'revive 2'])
    expect(await operations.retryUnknown('42', { targetIds: ['3'] })).toMatchObject({ changed: false, retried: 0 })
  })

  test('that are named go in pages', async () => {
    const { operations, did } = create({ gifts: unknown(1000) })
    await operations.retryUnknown('42', { targetIds: Object.keys(unknown(1000)) })
    expect(did.filter(each => each.startsWith('move'))).toEqual(['move 500', 'move 500'])
  })

  test.each([
    ['SUCCESS', 'GIFT_FINAL'],
    ['FAILED', 'GIFT_FINAL'],
    [undefined, 'GIFT_NOT_FOUND'],
  ] as const)('are none of them retried where one that is named is %s', async (state, code) => {
    const { operations, did } = create({ gifts: { ...unknown(1), ...(state && { '2': state }) } })
    await expect(operations.retryUnknown('42', { targetIds: ['1', '2'] })).rejects.toMatchObject({ code })
    expect(did).toEqual([])
  })

  test('are asked about', async () => {
    const paid = create({ gifts: unknown(2), answer: { kind: 'charged', transactionKey: 'tx' } })
    const progress: number[] = []
    const onProgress = ({ checked }: { checked: number }) => void progress.push(checked)
    expect(await paid.operations.reconcileUnknown('42', { onProgress })).toMatchObject({ changed: true, succeeded: 2 })
    expect([paid.did, progress]).toEqual([
      ['paid 1', 'paid 2'],
      [1, 2],
    ])
    const none = await create({ gifts: unknown(2) }).operations.reconcileUnknown('42')
    expect(none).toMatchObject({ changed: false, checked: 2, uncharged: 2 })
  })

  test('need Redis to be retried, and the Money API to be asked about', async () => {
    const { operations } = create({}, 'retryJobs', 'money')
    const unavailable = { code: 'OPERATION_UNAVAILABLE' }
    await expect(operations.retryUnknown('42')).rejects.toMatchObject(unavailable)
    await expect(operations.reconcileUnknown('42')).rejects.toMatchObject(unavailable)
  })
})
