import { describe, expect, test } from '@jest/globals'
import type { UnknownGift } from '#database/gifts/unknown.ts'
import type { LookupMeaning } from '#money/charge.ts'
import { checkDueUnknown, checkUnknownOf, recheckPauseMs } from '#promotion/upkeep/check-unknown.ts'
import { createLogger } from '#runtime/logger.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

const HOUR_MS = 3_600_000
const always = () => true
const PAID: LookupMeaning = { kind: 'charged', transactionKey: 'tx' }
const NO_CHARGE: LookupMeaning = { kind: 'no-charge' }
const SILENT: LookupMeaning = { kind: 'unsettled', code: 'TIMEOUT', message: '' }

/** A list of gifts to check, a Money API that answers as `answer` says, and what became of each. */
function create(due: UnknownGift[], answer: (targetId: string) => LookupMeaning = () => NO_CHARGE) {
  const did: string[] = []
  const asked: string[] = []
  const world = { redisIsAway: false }
  const { kysely } = scriptedKysely(({ sql: statement, parameters: values }) => {
    if (statement.includes('delete from')) did.push(`forget ${values[1]}`)
    else if (statement.includes('update ')) did.push(`again ${values[3]} after ${values[0]} in ${values[1]}`)
    else if (statement.includes('campaign_promotion_exception')) {
      const [afterId, limit] = values.slice(-2) as [string, number]
      const unknown = due.map(({ targetId }) => ({ id: targetId, targetId }))
      return unknown.filter(({ id }) => BigInt(id) > BigInt(afterId)).slice(0, limit)
    } else return due.slice(0, Number(values.at(-1)))
    return []
  })
  const deps = {
    kysely,
    ...{ recheckMs: 1000, logger: createLogger('test', 'silent') },
    moneyApi: {
      lookup: async ({ type, targetId }: { type: string; targetId: string }) => {
        asked.push(`${type}:${targetId}`)
        await new Promise(resolve => setImmediate(resolve))
        return answer(targetId)
      },
    },
    resultUpdateService: {
      updateSuccess: async (type: string, row: { targetId: string }, key: string, posts: number) =>
        void did.push(`SUCCESS ${type} ${row.targetId} ${key} ${posts}`),
    },
    retryJobs: {
      revive: async (jobs: readonly { data: { targetId: string } }[]) => {
        if (world.redisIsAway) throw new Error('redis is away')
        did.push(`revive ${jobs.map(({ data }) => data.targetId)}`)
        return jobs.length
      },
      remove: async (gifts: readonly { targetId: string }[]) => {
        if (world.redisIsAway) throw new Error('redis is away')
        did.push(`drop job ${gifts.map(({ targetId }) => targetId)}`)
        return gifts.length
      },
    },
  }
  return { deps, did, asked, world }
}

const giftOf = (targetId: string, status: UnknownGift['status'] = 'UNKNOWN', checks = 0): UnknownGift => ({
  ...{ type: 'VOUCHER', promotionId: '1', targetId, status, checks },
})
const giftsOf = (count: number) => Array.from({ length: count }, (_, index) => giftOf(String(index + 1)))

test.each([
  [0, 1000],
  [1, 2000],
  [5, 32_000],
  [100, 6 * HOUR_MS],
])('after %s checks in vain the next one comes %s ms later, six hours at most', (checks, pauseMs) => {
  expect(recheckPauseMs(checks, 1000)).toBe(pauseMs)
})

describe('a round of checks', () => {
  test('a charge makes SUCCESS without a POST, and neither check nor job is left', async () => {
    const { deps, did, asked } = create([giftOf('1')], () => PAID)
    expect(await checkDueUnknown(deps, 50, always)).toBe(1)
    expect(asked).toEqual(['VOUCHER:1'])
    expect(did).toEqual(['SUCCESS VOUCHER 1 tx 0', 'forget 1', 'drop job 1'])
  })

  test('no charge leaves it as it is, and the pause grows; silence does not make it grow', async () => {
    const { deps, did } = create([giftOf('1', 'UNKNOWN', 2), giftOf('2', 'UNKNOWN', 2)], id =>
      id === '1' ? NO_CHARGE : SILENT,
    )
    expect(await checkDueUnknown(deps, 50, always)).toBe(2)
    expect(did.toSorted()).toEqual(['again 1 after 3 in 4000', 'again 2 after 2 in 4000'])
  })

  test.each(['SUCCESS', 'FAILED'] as const)(
    'one that is %s by now is not asked about, and its job goes',
    async status => {
      const { deps, did, asked } = create([giftOf('1', status)])
      await checkDueUnknown(deps, 50, always)
      expect([asked, did]).toEqual([[], ['forget 1', 'drop job 1']])
    },
  )

  test('of one whose row is gone nothing is left, and no job of somebody else goes with it', async () => {
    const { deps, did, asked } = create([giftOf('1', null)])
    await checkDueUnknown(deps, 50, always)
    expect([asked, did]).toEqual([[], ['forget 1']])
  })

  test.each(['RETRYING', 'PENDING'] as const)(
    'one that a person has sent to be retried (%s) keeps its job',
    async status => {
      const { deps, did, asked } = create([giftOf('1', status, 1)])
      await checkDueUnknown(deps, 50, always)
      expect([asked, did]).toEqual([[], ['revive 1', 'again 1 after 1 in 2000']])
    },
  )

  test('a Redis that is away keeps nobody from being asked about; retried ones come round again soon', async () => {
    const { deps, did, world } = create([giftOf('1', 'RETRYING', 5), giftOf('2')], () => PAID)
    world.redisIsAway = true
    expect(await checkDueUnknown(deps, 50, always)).toBe(2)
    expect(did).toEqual(['again 1 after 5 in 1000', 'SUCCESS VOUCHER 2 tx 0', 'forget 2'])
  })

  test('a Money API that answers nothing is not asked about all', async () => {
    const { deps, asked } = create(giftsOf(50), () => SILENT)
    expect(await checkDueUnknown(deps, 50, always)).toBe(50)
    expect(asked.length).toBeGreaterThanOrEqual(20)
    // Those under way when the twentieth was in vain.
    expect(asked.length).toBeLessThan(28)
  })

  test('one answer among silence is enough to go on', async () => {
    const { deps, asked } = create(giftsOf(50), id => (Number(id) % 10 === 0 ? NO_CHARGE : SILENT))
    await checkDueUnknown(deps, 50, always)
    expect(asked).toHaveLength(50)
  })

  test('a process that stops asks about none', async () => {
    const { deps, asked, did } = create(giftsOf(3))
    expect(await checkDueUnknown(deps, 50, () => false)).toBe(3)
    expect([asked, did]).toEqual([[], []])
  })

  test('credentials that are refused end it', async () => {
    const { deps, did } = create(giftsOf(3), () => ({ kind: 'unauthorized', code: 'HTTP_401', message: '' }))
    await expect(checkDueUnknown(deps, 50, always)).rejects.toMatchObject({ code: 'MONEY_UNAUTHORIZED' })
    expect(did).toEqual([])
  })
})

describe('all UNKNOWN gifts of one promotion', () => {
  test.each([99, 100, 101, 250])('%s of them: each is asked about once, and counted by its answer', async count => {
    const answers = [PAID, NO_CHARGE, NO_CHARGE, SILENT]
    const { deps, asked } = create(giftsOf(count), id => answers[Number(id) % 4]!)
    const seen: number[] = []
    const of = (rest: number) => giftsOf(count).filter(({ targetId }) => Number(targetId) % 4 === rest).length
    const tally = await checkUnknownOf({ id: '1', type: 'VOUCHER' }, deps, ({ checked }) => seen.push(checked))
    expect(tally).toEqual({ checked: count, succeeded: of(0), uncharged: of(1) + of(2), unanswered: of(3) })
    expect([asked.length, new Set(asked).size]).toEqual([count, count])
    expect(seen).toEqual(giftsOf(count).map((_, index) => index + 1))
  })

  test.each([20, 150])('a Money API that answers nothing, of %s gifts, is an error', async count => {
    const { deps } = create(giftsOf(count), () => SILENT)
    const checked = checkUnknownOf({ id: '1', type: 'VOUCHER' }, deps)
    await expect(checked).rejects.toMatchObject({ code: 'MONEY_UNAVAILABLE' })
  })

  test('a few without an answer are none', async () => {
    const { deps } = create(giftsOf(19), () => SILENT)
    expect(await checkUnknownOf({ id: '1', type: 'VOUCHER' }, deps)).toMatchObject({ checked: 19, unanswered: 19 })
  })
})
