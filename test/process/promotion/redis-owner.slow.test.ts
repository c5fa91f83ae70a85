import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { examine } from '#bin/doctor/examine.ts'
import { runCli } from '#test/support/cli.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('two environments on one Redis', () => {
  let stack: AsyncDisposableStack
  beforeEach(() => {
    stack = new AsyncDisposableStack()
  })
  afterEach(() => stack.disposeAsync())

  async function systemOf(env: Record<string, string> = {}): Promise<TestSystem> {
    const system = await TestSystem.create(env)
    stack.defer(() => system.stop())
    return system
  }

  test('with a prefix each, the same promotion is paid in both, and every key has one of the prefixes', async () => {
    const systems = [await systemOf({ REDIS_KEY_PREFIX: 'prod:' }), await systemOf({ REDIS_KEY_PREFIX: 'stage-2/' })]
    const id = String(uniqueId())
    const [gifts, seen] = [300, new Set<string>()]
    for (const system of systems) {
      // A third of the answers is an error: retries, BullMQ's keys with them, are needed too.
      await system.control({ faultPercent: 30, seed: 3 })
      await Promise.all([system.start('listener'), system.start('worker'), system.start('admin')])
      await system.promotions.create({ id, name: 'twin', type: 'VOUCHER', totalCount: gifts })
      await system.promotions.start(id, gifts)
    }
    const targets = targetsOf(gifts)
    await Promise.all(systems.map(system => system.publishGifts(id, targets)))
    for (const system of systems) {
      await system.until(
        'all paid',
        async () => {
          for (const key of await system.redis.keys('*')) seen.add(key)
          return (await system.countByStatus(id, 'VOUCHER')).SUCCESS === gifts
        },
        40_000,
      )
      expect(await system.charges(id)).toHaveLength(gifts)
    }
    expect([...seen].filter(key => !/^(prod:|stage-2\/)/.test(key))).toEqual([])
    expect([...seen].sort()).toEqual(
      expect.arrayContaining([
        'prod:promostream:owner',
        'prod:promostream:instances',
        `prod:campaign-promotion-${id}:voucher:stream`,
        expect.stringMatching(/^stage-2\/promostream:campaign-promotion-retry:/),
      ]),
    )
  }, 90_000)

  test('without one the second is refused, until it takes the Redis over; then the first ends', async () => {
    const first = await systemOf()
    const second = await systemOf()
    const listener = await first.start('listener')
    const [nameOfFirst, nameOfSecond] = [first, second].map(({ env }) => new URL(env.DATABASE_URL!).pathname.slice(1))
    const refused = `belongs to the database ${nameOfFirst} .*DATABASE_URL is the database ${nameOfSecond} .*own-redis`
    for (const kind of ['listener', 'worker', 'admin'] as const)
      expect(await refusalOf(second, kind)).toMatch(new RegExp(refused))
    const id = await second.promotion('VOUCHER', 'IN_PROGRESS')
    const rebuild = await runCli(second.env, 'rebuild', id)
    expect([rebuild.code, rebuild.stderr]).toEqual([
      1,
      expect.stringContaining(`belongs to the database ${nameOfFirst}`),
    ])

    const looked = await runCli(second.env, 'own-redis', '--json')
    expect(JSON.parse(looked.stdout)).toMatchObject({
      database: { name: nameOfSecond },
      owners: [{ variable: 'REDIS_URL', owner: { name: nameOfFirst } }],
    })
    expect((await runCli(second.env, 'own-redis', '--take-over')).code).toBe(0)
    expect(await listener.ended).toBe(1)
    await second.start('listener')
    expect(await refusalOf(first, 'worker')).toContain(`belongs to the database ${nameOfSecond}`)
  }, 180_000)

  test("doctor shows the mark; audit and resume-calls refuse a stranger's, and set none themselves", async () => {
    const system = await systemOf()
    const name = new URL(system.env.DATABASE_URL!).pathname.slice(1)
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const ownerOf = async (env: Record<string, string>) =>
      (await examine(env)).filter(({ check }) => check === 'owner').map(({ status, detail }) => [status, detail])
    await system.redis.del('promostream:owner')
    expect(await ownerOf(system.env)).toEqual([['ok', 'nobody yet']])
    expect(await runCli(system.env, 'resume-calls')).toMatchObject({ code: 0, stderr: '' })
    expect(await system.redis.exists('promostream:owner')).toBe(0)
    const stranger = JSON.stringify({ system: '7', name: 'staging', since: new Date().toISOString() })
    await system.redis.set('promostream:owner', stranger)
    const refused = 'belongs to the database staging (system 7)'
    const commands = [['audit', id, '--no-kafka'], ['resume-calls']]
    const ends = await Promise.all(commands.map(args => runCli(system.env, ...args)))
    const end = expect.objectContaining({ code: 1, stderr: expect.stringContaining(refused) })
    expect(ends).toEqual([end, end])
    const found = await ownerOf(system.env)
    expect(found).toEqual([['failed', expect.stringContaining(`${refused}, and DATABASE_URL is ${name} (system`)]])
    expect(await ownerOf({ ...system.env, REDIS_KEY_PREFIX: 'stage:' })).toEqual([
      ['ok', 'nobody yet, under REDIS_KEY_PREFIX=stage:'],
    ])
    expect(await system.redis.get('promostream:owner')).toBe(stranger)
    await system.redis.del('promostream:owner')
  }, 120_000)

  test('a prefix is not changed while a process lives; a wiped Redis gets its mark again', async () => {
    const system = await systemOf()
    const worker = await system.start('worker')
    expect(await refusalOf(system, 'listener', { REDIS_KEY_PREFIX: 'new:' })).toMatch(
      /worker \S+ runs on this database with no REDIS_KEY_PREFIX, this process has REDIS_KEY_PREFIX=new:: stop all/,
    )
    await system.redis.flushdb()
    await system.until('the mark', async () => (await system.redis.exists('promostream:owner')) === 1)
    await worker.stop()
    await system.start('listener', { REDIS_KEY_PREFIX: 'new:' })
  }, 180_000)
})

/** The log of a process that ended before it was ready. */
async function refusalOf(
  system: TestSystem,
  kind: 'listener' | 'worker' | 'admin',
  overrides: Record<string, string> = {},
): Promise<string> {
  const error = await system.start(kind, overrides).then(
    () => new Error('it started'),
    thrown => thrown as Error,
  )
  const [, logFile] = /its log is (\S+)/.exec(error.message) ?? []
  if (!error.message.includes('ended before') || logFile === undefined) throw error
  return readFileSync(logFile, 'utf8')
}
