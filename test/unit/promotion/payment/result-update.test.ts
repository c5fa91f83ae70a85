import { expect, test } from '@jest/globals'
import type { Transition, TransitionOutcome } from '#database/gifts/gift.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { createLogger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'

/** A service over a table that answers each move like this. */
function serviceOf(outcome: TransitionOutcome) {
  const metrics = createMetrics('test')
  const counters = createPromotionMetrics(metrics)
  const moves: Transition[] = []
  const ended: [string, boolean][] = []
  const move = async (transition: Transition) => {
    moves.push(transition)
    return outcome
  }
  const service = new CampaignPromotionResultUpdateService({
    results: { VOUCHER: { move }, POINT: { move } } as never,
    metrics: counters,
    logger: createLogger('test', 'silent'),
    onEnded: (promotionId, isFailed) => ended.push([promotionId, isFailed]),
  })
  const conflicts = async () => (await counters.moneyConflicts.get()).values.filter(({ value }) => value > 0).length
  return { service, moves, ended, conflicts, transitions: async () => (await counters.transitions.get()).values }
}

const ROW = { targetId: '7', promotionId: '1' }
const unchanged = (processStatus: string, moneyKey: string | null = null) =>
  ({ changed: false, previous: { processStatus, moneyKey } }) as TransitionOutcome

test('a 200 moves the row, counts it, and tells that the gift has ended', async () => {
  const { service, moves, ended, conflicts, transitions } = serviceOf({ changed: true } as TransitionOutcome)
  await service.updateSuccess('VOUCHER', ROW, 'tx', 2)
  expect(moves).toEqual([{ targetId: '7', to: 'SUCCESS', moneyKey: 'tx', posts: 2 }])
  expect([ended, await conflicts()]).toEqual([[['1', false]], 0])
  expect(await transitions()).toMatchObject([{ labels: { type: 'VOUCHER', status: 'SUCCESS' }, value: 1 }])
})

test('a gift that was settled outside of an attempt is counted, and is no end that an attempt brought', async () => {
  const { service, ended, transitions } = serviceOf({ changed: true } as TransitionOutcome)
  await service.updateSuccess('VOUCHER', { targetId: '7' }, 'tx', 0)
  expect(ended).toEqual([])
  expect(await transitions()).toMatchObject([{ value: 1 }])
})

test.each<[name: string, outcome: TransitionOutcome, isConflict: boolean]>([
  ['FAILED', unchanged('FAILED'), true],
  ['SUCCESS by another charge', unchanged('SUCCESS', 'other'), true],
  ['SUCCESS by the same charge', unchanged('SUCCESS', 'tx'), false],
  ['no row', { changed: false } as TransitionOutcome, false],
])('a 200 that meets %s changes nothing; a conflict is counted', async (_name, outcome, isConflict) => {
  const { service, ended, conflicts, transitions } = serviceOf(outcome)
  await service.updateSuccess('VOUCHER', ROW, 'tx', 1)
  expect([await conflicts(), ended, await transitions()]).toEqual([Number(isConflict), [], []])
})

test.each([
  ['RETRYING', []],
  ['FAILED', [['1', true]]],
  ['UNKNOWN', [['1', false]]],
] as const)('a row that becomes %s is counted; only what is an end is told as one', async (status, told) => {
  const { service, ended, transitions } = serviceOf({ changed: true } as TransitionOutcome)
  expect(await service.updateError('POINT', ROW, { status, code: 'C', message: 'm', posts: 1 })).toBe(true)
  expect(ended).toEqual(told)
  expect(await transitions()).toMatchObject([{ labels: { type: 'POINT', status }, value: 1 }])
})

test('a row that did not change is told, and nothing is counted', async () => {
  const { service, ended, transitions } = serviceOf(unchanged('SUCCESS', 'tx'))
  expect(await service.updateError('POINT', ROW, { status: 'FAILED', code: 'C', message: 'm', posts: 1 })).toBe(false)
  expect([ended, await transitions()]).toEqual([[], []])
})
