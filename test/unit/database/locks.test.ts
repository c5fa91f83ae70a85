import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { LOCKED_ROUNDS, tryMigrationLock, tryRefillLock, withRoundLock } from '#database/locks.ts'
import { type Script, scriptedKysely } from '#test/support/scripted-kysely.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

const granted: Script = ({ sql }) => (sql.includes('try_advisory') ? [{ locked: true }] : [])
const SILENT_MS = 4000

test('the work of a round is done under its lock, which is given back with the session’s limit', async () => {
  const { kysely, asked } = scriptedKysely(granted)
  const work = jest.fn(async () => expect(asked).toHaveLength(2))
  expect(await withRoundLock(kysely, 'sweep', work, SILENT_MS)).toBe(true)
  expect(work).toHaveBeenCalledTimes(1)
  expect(asked.map(({ sql, parameters }) => [/pg_\w+|set_config/.exec(sql)?.[0], ...parameters])).toEqual([
    ['pg_try_advisory_lock', 4242, 3],
    ['set_config', '4000'],
    ['set_config'],
    ['pg_advisory_unlock', 4242, 3],
  ])
})

test('while another process has the lock nothing is done, and nothing given back', async () => {
  for (const rows of [[{ locked: false }], []]) {
    const { kysely, asked } = scriptedKysely(() => rows)
    const work = jest.fn(async () => undefined)
    expect(await withRoundLock(kysely, 'sweep', work, SILENT_MS)).toBe(false)
    expect(work).not.toHaveBeenCalled()
    expect(asked).toHaveLength(1)
  }
})

test('work that fails gives the lock back, and fails', async () => {
  const { kysely, asked } = scriptedKysely(granted)
  const failing = withRoundLock(kysely, 'sweep', () => Promise.reject(new Error('no')), SILENT_MS)
  await expect(failing).rejects.toThrow('no')
  expect(asked.at(-1)?.sql).toContain('pg_advisory_unlock')
})

test('work that takes long gives a sign of life four times as often as the session would be ended, and none after it', async () => {
  const { kysely, asked } = scriptedKysely(granted)
  const end = Promise.withResolvers<void>()
  const running = withRoundLock(kysely, 'sweep', () => end.promise, SILENT_MS)
  await jest.advanceTimersByTimeAsync(3 * (SILENT_MS / 4))
  const signs = () => asked.filter(({ sql }) => sql === 'select 1').length
  expect(signs()).toBe(3)
  end.resolve()
  await running
  await jest.advanceTimersByTimeAsync(10 * SILENT_MS)
  expect(signs()).toBe(3)
})

test('a server that knows no such limit, or fails to take the lock back, does not fail the work', async () => {
  const { kysely } = scriptedKysely(statement => {
    if (statement.sql.includes('try_advisory')) return [{ locked: true }]
    throw new Error('unrecognized configuration parameter')
  })
  expect(await withRoundLock(kysely, 'sweep', async () => undefined, SILENT_MS)).toBe(true)
})

test('no two rounds, and no migration, share a lock', async () => {
  const ids = new Set<unknown>([1])
  for (const round of [...LOCKED_ROUNDS, 'seal'] as const) {
    const { kysely, asked } = scriptedKysely(granted)
    await withRoundLock(kysely, round, async () => undefined)
    ids.add(asked[0]?.parameters[1])
  }
  expect(ids.size).toBe(LOCKED_ROUNDS.length + 2)
  expect(LOCKED_ROUNDS).not.toContain('seal')
})

test('a migration’s lock has no parameters; a refill’s is its promotion’s own; either may be another’s', async () => {
  for (const locked of [true, false]) {
    const { kysely, asked } = scriptedKysely(() => [{ locked }])
    expect([
      await tryMigrationLock(kysely),
      await tryRefillLock(kysely, '7'),
      await tryRefillLock(kysely, '8'),
    ]).toEqual([locked, locked, locked])
    expect(asked[0]?.parameters).toEqual([])
    expect(asked[1]?.parameters).not.toEqual(asked[2]?.parameters)
  }
})
