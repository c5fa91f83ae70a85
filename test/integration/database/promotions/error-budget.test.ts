import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { createActivityLog } from '#database/activity-log.ts'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { readProgress } from '#database/promotions/progress.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { runCli } from '#test/support/cli.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { createTestDatabase, stackEnv, type TestDatabase, uniqueId, uniqueName } from '#test/support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
})
afterAll(() => db.drop())

async function running(): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0 })
  await promotions.start(id, 0)
  return id
}
const instance = () => createErrorBudgetRepository(kysely)
const add = async (id: string, settled: number, failed: number, ageMs = 0) =>
  (await instance().add(new Map([[id, { settled, failed, ageMs }]]))).get(id)
const ageBy = (id: string, seconds: number) =>
  sql`update campaign_promotion_outcome set slot = slot - ${seconds / 5}::int where promotion_id = ${id}::bigint`.execute(
    kysely,
  )

test('the sums are those of all instances within a minute; what is older goes', async () => {
  const [id, other] = [await running(), await running()]
  expect(await add(id, 10, 4)).toEqual({ settled: 10, failed: 4 })
  await add(other, 1000, 1000)
  await ageBy(id, 50)
  expect(await add(id, 5, 1)).toEqual({ settled: 15, failed: 5 })
  await ageBy(id, 30)
  expect(await add(id, 1, 0)).toEqual({ settled: 6, failed: 1 })
  await ageBy(id, 60)
  await add(other, 1, 1)
  const { rows } = await sql`select from campaign_promotion_outcome where promotion_id = ${id}::bigint`.execute(kysely)
  expect(rows).toHaveLength(0)
})

test('many instances at once lose no count', async () => {
  const ids = [await running(), await running(), await running()]
  const counts = new Map(ids.map(id => [id, { settled: 3, failed: 2, ageMs: 0 }]))
  const backwards = new Map([...counts].reverse())
  await Promise.all(Array.from({ length: 40 }, (_, index) => instance().add(index % 2 === 0 ? counts : backwards)))
  for (const id of ids) expect(await add(id, 0, 0)).toEqual({ settled: 120, failed: 80 })
})

test('one instance pauses it, with the reason and a row of the activity log; a start takes both counts and reason away', async () => {
  const id = await running()
  await add(id, 100, 100)
  const won = await Promise.all([instance().pause(id, 'why'), instance().pause(id, 'why'), instance().pause(id, 'why')])
  expect(won.filter(Boolean)).toHaveLength(1)
  expect(await promotions.find(id)).toMatchObject({ status: 'PAUSED', pauseReason: 'why' })
  expect((await readProgress(kysely, { id }))[0]).toMatchObject({ status: 'PAUSED', pauseReason: 'why' })
  const log = (await createActivityLog(kysely).list({ limit: 100 })).filter(({ target }) => target === id)
  expect(log).toMatchObject([{ who: 'system', what: 'promotion.pause', detail: { reason: 'why' }, outcome: 'done' }])
  // By SQL, as another program does it.
  await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${id}::bigint`.execute(kysely)
  // What another instance had counted before.
  expect(await add(id, 99, 99, 60_000)).toBeUndefined()
  expect(await add(id, 1, 1)).toEqual({ settled: 1, failed: 1 })
  await promotions.move(id, ['IN_PROGRESS'], 'PAUSED')
  expect(await promotions.find(id)).toMatchObject({ status: 'PAUSED', pauseReason: null })
  expect(await instance().pause(id, 'not from PAUSED')).toBe(false)
})

slowTest(
  'the command line says why, leaves it out of resume --all, and resumes it by its id',
  async () => {
    const env = {
      PATH: process.env.PATH!,
      DATABASE_URL: db.url,
      REDIS_URL: stackEnv().REDIS_URL!,
      REDIS_KEY_PREFIX: `${uniqueName('t')}:`,
    }
    const [byItself, byHand] = [await running(), await running()]
    await instance().pause(byItself, '101 of 200 gifts FAILED')
    await promotions.move(byHand, ['IN_PROGRESS'], 'PAUSED')
    expect((await runCli(env, 'status', byItself)).stdout).toContain('paused by itself: 101 of 200 gifts FAILED')
    expect(JSON.parse((await runCli(env, 'status', byItself, '--json')).stdout)).toMatchObject({
      pauseReason: '101 of 200 gifts FAILED',
    })
    const all = await runCli(env, 'resume', '--all')
    expect(all.code).toBe(0)
    expect(all.stdout).toContain(`promotion ${byItself} is PAUSED still, by itself: 101 of 200 gifts FAILED`)
    expect([(await promotions.find(byItself))?.status, (await promotions.find(byHand))?.status]).toEqual([
      'PAUSED',
      'IN_PROGRESS',
    ])
    expect((await runCli(env, 'resume', byItself)).code).toBe(0)
    expect(await promotions.find(byItself)).toMatchObject({ status: 'IN_PROGRESS', pauseReason: null })
  },
  120_000,
)
