import { expect, test } from '@jest/globals'
import type { GiftRow } from '#database/gifts/gift.ts'
import type { CanaryTurn } from '#database/promotions/canary.ts'
import type { LookupMeaning } from '#money/charge.ts'
import type { ChargeOutcome } from '#money/charge-api.ts'
import { Canary } from '#promotion/payment/canary.ts'
import { createLogger } from '#runtime/logger.ts'

const ROW = { promotionId: '1', targetId: '7', amount: '500' } as GiftRow
const PAID: ChargeOutcome = { kind: 'charged', transactionKey: 'tx-7', posts: 1 }
const NO_CHARGE: LookupMeaning = { kind: 'no-charge' }
const FOUND: LookupMeaning = { kind: 'charged', transactionKey: 'tx-7' }

/** A canary whose GETs are answered in this order, the last one again and again; and what it did. */
function create(turn: CanaryTurn, ...found: LookupMeaning[]) {
  const did: string[] = []
  const world = { isTurnFree: false, lookups: 0 }
  const canary = new Canary({
    repository: {
      lookUp: async () => turn,
      take: async () => {
        did.push('take')
        return world.isTurnFree
      },
      confirm: async ({ targetId }) => void did.push(`confirm ${targetId}`),
      mismatch: async ({ targetId }) => void did.push(`mismatch ${targetId}`),
    },
    moneyCampaignChargeApi: {
      lookup: async () => {
        world.lookups += 1
        return (found.length > 1 ? found.shift() : found[0]) ?? NO_CHARGE
      },
    },
    gifts: 3,
    pause: async (id, reason) => void did.push(`pause ${id} ${reason}`),
    logger: createLogger('test', 'silent'),
  })
  const around = (outcome: ChargeOutcome = PAID) =>
    canary.around('VOUCHER', ROW, async () => {
      did.push('charge')
      return outcome
    })
  return { canary, around, did, world }
}

test('out of turn nothing is sent; once passed it is not asked again', async () => {
  const waiting = create('wait')
  expect(await waiting.around()).toMatchObject({ kind: 'blocked', posts: 0 })
  expect(waiting.did).toEqual(['take'])
  expect(waiting.canary.hasPassed('1')).toBe(false)
  const passed = create('passed')
  expect(await passed.around()).toBe(PAID)
  expect(passed.did).toEqual(['charge'])
  expect([passed.canary.hasPassed('1'), passed.canary.hasPassed('2')]).toEqual([true, false])
})

test.each<[string, LookupMeaning]>([
  ['without the amount', FOUND],
  ['with it', { ...FOUND, amount: '500' } as LookupMeaning],
])('what is found as it was paid is confirmed, %s', async (_how, found) => {
  const { canary, around, did, world } = create('mine', NO_CHARGE, found)
  expect(await around()).toBe(PAID)
  expect(did).toEqual(['charge', 'confirm 7'])
  expect([world.lookups, canary.hasPassed('1')]).toEqual([2, false])
})

test.each<[string, LookupMeaning, RegExp]>([
  ['no charge for the key', NO_CHARGE, /no charge for its key/],
  ['another charge', { kind: 'charged', transactionKey: 'tx-8' }, /tx-8, and not tx-7/],
  ['another amount', { ...FOUND, amount: '50000' } as LookupMeaning, /50000 was charged, and not 500/],
])('%s pauses the promotion first, and tells why', async (_name, found, why) => {
  const { around, did, world } = create('mine', found)
  const fromMs = performance.now()
  expect(await around()).toBe(PAID)
  // A charge that is not there yet is given the time to be seen.
  expect(world.lookups).toBe(found === NO_CHARGE ? 3 : 1)
  if (found === NO_CHARGE) expect(performance.now() - fromMs).toBeGreaterThan(590)
  expect(did).toEqual(['charge', expect.stringMatching(why), 'mismatch 7'])
  expect(did[1]).toMatch(/^pause 1 canary: gift 7: /)
})

test('nobody says: the gift is not settled, its POST counts, and its turn stays', async () => {
  const { around, did } = create('mine', { kind: 'unsettled', code: 'HTTP_500', message: '' })
  expect(await around()).toMatchObject({
    ...{ kind: 'unsettled', code: 'CANARY_UNCONFIRMED', posts: 1, isOutage: true },
  })
  expect(did).toEqual(['charge'])
})

test('a refusal is confirmed; what was not settled keeps its turn', async () => {
  const refused = create('mine')
  await refused.around({ kind: 'failed', code: 'HTTP_422', message: '', posts: 1 })
  expect(refused.did).toEqual(['charge', 'confirm 7'])
  const open = create('mine')
  await open.around({ kind: 'unsettled', code: 'HTTP_500', message: '', posts: 1 })
  expect(open.did).toEqual(['charge'])
})

test('of a backlog that waits a few ask for a turn, and nobody again at once', async () => {
  const { around, did } = create('wait')
  await Promise.all(Array.from({ length: 500 }, () => around()))
  await around()
  expect(did).toEqual(['take', 'take', 'take', 'take', 'take'])
})

test('while turns are free every gift gets one, one after the other', async () => {
  const { around, did, world } = create('wait', FOUND)
  world.isTurnFree = true
  for (let gift = 0; gift < 7; gift++) expect(await around()).toBe(PAID)
  expect(did).toEqual(Array(7).fill(['take', 'charge', 'confirm 7']).flat())
})
