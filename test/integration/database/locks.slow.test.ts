import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { withRoundLock } from '#database/locks.ts'
import { until } from '#test/support/redis.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

const SILENT_MS = 1000
let db: TestDatabase
let holder: ChildProcessWithoutNullStreams

beforeAll(async () => {
  db = await createTestDatabase({ migrated: false })
  const env = { ...process.env, DATABASE_URL: db.url, SILENT_MS: String(SILENT_MS) }
  holder = spawn(process.execPath, ['test/support/lock-holder.ts'], { env })
  await once(holder.stdout, 'data')
})
afterAll(async () => {
  holder.kill('SIGKILL')
  await db.drop()
})

test('a lock is kept for as long as its holder works, and lost by one that stands still, which survives that', async () => {
  const take = () => withRoundLock(db.database.kysely, 'sweep', async () => undefined)
  await sleep(3 * SILENT_MS)
  expect(await take()).toBe(false)
  holder.kill('SIGSTOP')
  await until('another has it', take)
  const ended = once(holder, 'exit')
  holder.kill('SIGCONT')
  holder.stdin.write('enough')
  expect(await ended).toEqual([0, null])
})
