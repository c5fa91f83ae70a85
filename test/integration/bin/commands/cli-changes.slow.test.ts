import { hostname, userInfo } from 'node:os'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { createActivityLog } from '#database/activity-log.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { readProgress } from '#database/promotions/progress.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { runCli } from '#test/support/cli.ts'
import { newGift } from '#test/support/gift-rows.ts'
import { createTestDatabase, stackEnv, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase
let promotions: PromotionRepository

beforeAll(async () => {
  db = await createTestDatabase()
  promotions = createPromotionRepository(db.database.kysely)
})
afterAll(() => db.drop())

const cli = (...args: string[]) =>
  runCli({ PATH: process.env.PATH, DATABASE_URL: db.url, REDIS_URL: stackEnv().REDIS_URL }, ...args)

const log = async () =>
  (await createActivityLog(db.database.kysely).list({ limit: 100 }))
    .map(({ who, what, target, outcome }) => [who, what, target, outcome])
    .reverse()
const WHO = `${userInfo().username}@${hostname()}`

test('every change by the command line leaves its row, with user, host and how it ended; a look leaves none', async () => {
  const made = await cli('create', '--id', '1', '--type', 'VOUCHER', '--max-amount', '9007199254740993', '--json')
  expect(JSON.parse(made.stdout)).toMatchObject({
    status: 'READY',
    maxTotalAmount: '9007199254740993',
    maxGiftCount: '0',
  })
  expect(await promotions.find('1')).toMatchObject({ maxTotalAmount: '9007199254740993' })
  for (const step of ['start', 'pause', 'resume', 'rebuild', 'stop', 'finish'])
    expect((await cli(step, '1')).code).toBe(0)
  expect((await cli('start', '1')).code).toBe(1)
  expect((await cli('start', '404')).code).toBe(1)
  expect((await cli('resume-calls')).code).toBe(0)
  for (const state of ['on', 'status', 'off']) expect((await cli('ask-first', state)).code).toBe(0)
  await cli('status', '1')
  expect(await log()).toEqual([
    [WHO, 'promotion.create', '1', 'done'],
    ...['start', 'pause', 'resume', 'rebuild', 'stop', 'finish'].map(step => [WHO, `promotion.${step}`, '1', 'done']),
    [WHO, 'promotion.start', '1', 'PROMOTION_WRONG_STATE'],
    [WHO, 'promotion.start', '404', 'PROMOTION_NOT_FOUND'],
    [WHO, 'money.resume-calls', 'money-api', 'done'],
    [WHO, 'money.ask-first', 'on', 'done'],
    [WHO, 'money.ask-first', 'off', 'done'],
  ])
}, 300_000)

test('finish says how the gifts differ from the total, and of a promotion without one only how many there are', async () => {
  const finished = async (id: string, ...total: string[]) => {
    for (const args of [
      ['create', '--id', id, '--type', 'VOUCHER', ...total],
      ['start', id],
    ])
      expect((await cli(...args)).code).toBe(0)
    return (await cli('finish', id)).stdout
  }
  expect(await finished('30')).toBe('promotion 30 is COMPLETED, with 0 gifts; no total was set\n')
  expect(await finished('31', '--total', '2')).toBe(
    'promotion 31 is COMPLETED, with 2 gifts less than its total says\n',
  )
})

test('retry of a promotion without UNKNOWN gifts says so, and shows no progress', async () => {
  expect((await cli('create', '--id', '40', '--type', 'VOUCHER')).code).toBe(0)
  expect((await cli('start', '40')).code).toBe(0)
  expect(await cli('retry', '40')).toEqual({
    ...{ code: 0, stderr: '' },
    stdout: 'promotion 40: 0 UNKNOWN gifts will be tried again\n',
  })
  const withMoney = { DATABASE_URL: db.url, REDIS_URL: stackEnv().REDIS_URL, MONEY_API_URL: 'http://127.0.0.1:1' }
  expect(await runCli(withMoney, 'reconcile', '40')).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: expect.stringMatching(/^promotion 40: 0 UNKNOWN gifts asked about/),
  })
  expect((await cli('stop', '40')).code).toBe(0)
}, 60_000)

test('create --deadline: a time with its zone, as the API has it; any other is refused', async () => {
  const create = (deadline: string) =>
    cli('create', '--id', '20', '--type', 'VOUCHER', '--deadline', deadline, '--json')
  for (const wrong of ['2026-12-24', '2026-12-24T18:00:00', '2026-02-30T18:00:00Z', 'soon']) {
    const { code, stderr } = await create(wrong)
    expect([wrong, code, stderr.includes('it must be a time with its zone')]).toEqual([wrong, 2, true])
  }
  expect(JSON.parse((await create('2026-12-24T18:00:00+09:00')).stdout).deadlineAt).toBe('2026-12-24T09:00:00.000Z')
  const [read] = await readProgress(db.database.kysely, { id: '20' })
  expect(read?.deadlineAt).toBe('2026-12-24T09:00:00.000Z')
  expect(read?.weight).toBe(1)
}, 120_000)

test('create --weight: a whole number from 1 to 1000', async () => {
  const create = (weight: string) => cli('create', '--id', '21', '--type', 'VOUCHER', '--weight', weight, '--json')
  for (const wrong of ['0', '-1', '1.5', '1001', 'much']) {
    const { code, stderr } = await create(wrong)
    expect([wrong, code, stderr.includes('a whole number from 1 to 1000')]).toEqual([wrong, 2, true])
  }
  expect(JSON.parse((await create('1000')).stdout).weight).toBe(1000)
  expect((await promotions.find('21'))?.weight).toBe(1000)
}, 120_000)

test('pause --all and resume --all: those that it can be done to, and no other', async () => {
  for (const [id, steps] of Object.entries({ 11: ['start'], 12: ['start'], 13: [], 14: ['start', 'stop'] })) {
    await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0 })
    for (const step of steps)
      await promotions.move(id, ['READY', 'IN_PROGRESS'], step === 'start' ? 'IN_PROGRESS' : 'STOPPED')
  }
  const statuses = async () =>
    Promise.all(['11', '12', '13', '14'].map(async id => (await promotions.find(id))?.status))
  const paused = await cli('pause', '--all', '--json')
  expect(JSON.parse(paused.stdout)).toEqual({
    promotions: ['11', '12'].map(id => ({ id, status: 'PAUSED', changed: true })),
  })
  expect(await statuses()).toEqual(['PAUSED', 'PAUSED', 'READY', 'STOPPED'])
  expect((await cli('pause', '--all')).stdout).toBe('no promotion is IN_PROGRESS\n')
  expect((await cli('resume', '--all')).code).toBe(0)
  expect(await statuses()).toEqual(['IN_PROGRESS', 'IN_PROGRESS', 'READY', 'STOPPED'])
  expect((await log()).slice(-4).map(([, what, target]) => [what, target])).toEqual([
    ['promotion.pause', '11'],
    ['promotion.pause', '12'],
    ['promotion.resume', '11'],
    ['promotion.resume', '12'],
  ])
  for (const wrong of [['pause'], ['pause', '11', '--all']]) {
    const { code, stderr } = await cli(...wrong)
    expect([code, stderr]).toEqual([2, expect.stringContaining('pause takes the id of a promotion, or --all')])
  }
}, 300_000)

test('status of one promotion says what it waits for from a person, and create when it never completes by itself', async () => {
  const first = async (...args: string[]) => (await cli(...args)).stdout.split('\n').filter(Boolean)
  expect(await first('create', '--id', '71', '--type', 'VOUCHER')).toEqual([
    'promotion 71 is READY',
    expect.stringContaining('only by «promostream finish 71»'),
  ])
  expect(await first('create', '--id', '72', '--type', 'VOUCHER', '--total', '3')).toEqual(['promotion 72 is READY'])
  expect(await first('status', '71')).toEqual([
    '71  VOUCHER  READY  0 gifts',
    '  not started: gifts are taken, and paid after «promostream start 71»',
  ])
  for (const id of ['71', '72']) expect((await cli('start', id)).code).toBe(0)
  expect((await first('status', '71'))[1]).toMatch(/no total: .*«promostream finish 71» completes it/)
  expect((await first('status', '72'))[1]).toMatch(/3 of 3 are still to come; «promostream finish 72»/)
  const { VOUCHER: results } = createGiftResultRepositories(db.database.kysely)
  await results.insert(newGift({ promotionId: '72' }))
  expect(await first('status', '72')).toHaveLength(1)
  await sql`update campaign_promotion_voucher_result set process_status = 'UNKNOWN'`.execute(db.database.kysely)
  expect((await first('status', '72'))[2]).toMatch(/UNKNOWN: «promostream reconcile 72».*«promostream retry 72»/)
}, 120_000)
