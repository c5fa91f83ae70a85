import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { lastAuditRuns } from '#database/audit-runs.ts'
import type { AuditReport } from '#promotion/audit/report.ts'
import { runCli } from '#test/support/cli.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = 200

withKafka('promostream archive', () => {
  let system: TestSystem
  const folder = mkdtempSync(join(tmpdir(), 'promostream-archive-'))

  beforeAll(async () => {
    system = await TestSystem.create({ COMPLETION_QUIET_MS: '100' })
    await Promise.all([system.start('listener'), system.start('worker')])
  }, 60_000)
  afterAll(async () => {
    await system.stop()
    await rm(folder, { recursive: true })
  })

  async function audit(...args: string[]): Promise<AuditReport> {
    const { stdout } = await runCli(system.env, 'audit', '--json', '--charges', 'api', ...args)
    return JSON.parse(stdout) as AuditReport
  }

  async function completed(targets: readonly string[]): Promise<string> {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', targets.length)
    await system.publishGifts(id, targets)
    await system.until('completed', async () => (await system.promotions.find(id))?.status === 'COMPLETED', 60_000)
    return id
  }

  test('gifts move to a file; each target stays paid, and the audit goes on counting them', async () => {
    const targets = targetsOf(GIFTS)
    const id = await completed(targets)
    const file = join(folder, 'gifts.jsonl.gz')
    const { code, stdout, stderr } = await runCli(system.env, 'archive', id, '--file', file, '--json')
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual({ id, archived: GIFTS, file })
    const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n')
    const gifts = lines.map(line => JSON.parse(line) as Record<string, unknown>)
    expect(gifts.map(({ targetId }) => targetId).sort()).toEqual([...targets].sort())
    expect(gifts[0]).toMatchObject({ type: 'VOUCHER', promotionId: id, memberId: '7', processStatus: 'SUCCESS' })
    expect(await system.results.VOUCHER.find(targets[0]!)).toBeUndefined()
    const balanced = { ok: true, rows: GIFTS, chargedOnce: GIFTS, missing: 0, double: 0 }
    expect(await audit(id)).toMatchObject(balanced)

    // The same gifts once more, and their targets in another promotion.
    const other = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await system.publishGifts(id, targets.slice(0, 10))
    await system.publishGifts(other, targets.slice(0, 10))
    const [last] = targetsOf(1)
    await system.publish('VOUCHER', [giftJson('VOUCHER', { promotionId: other, targetId: last })])
    await system.until('the last is paid', async () => (await system.countByStatus(other, 'VOUCHER')).SUCCESS === 1)
    const invalid = await system.records('INVALID')
    expect(invalid.map(({ reason }) => reason)).toEqual(Array.from({ length: 10 }, () => 'target-conflict'))
    expect(await system.charges(id)).toHaveLength(GIFTS)
    expect(await system.charges(other)).toHaveLength(1)
    expect(await audit(id)).toMatchObject({ ...balanced, duplicates: 10 })
    expect(await audit('--record')).toMatchObject({ ok: true, rows: GIFTS + 1, chargedOnce: GIFTS + 1 })
    expect(await lastAuditRuns(system.kysely)).toEqual([
      { charges: 'api', ok: true, discrepancies: 0, unanswered: 0, atSeconds: expect.any(Number) },
    ])

    const again = await runCli(system.env, 'archive', id, '--file', join(folder, 'again.jsonl'))
    expect([again.code, again.stdout]).toEqual([0, `promotion ${id} has no rows: nothing to archive\n`])
  }, 300_000)

  test('refused: what has not ended, gifts that are not final, a file that is there', async () => {
    const running = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const [first, second] = targetsOf(2)
    const id = await completed([first!])
    const refusal = async (promotionId: string, file: string) => {
      const { code, stderr } = await runCli(system.env, 'archive', promotionId, '--file', join(folder, file))
      return [code, stderr]
    }
    expect(await refusal(running, 'a')).toEqual([
      1,
      expect.stringMatching(/IN_PROGRESS: only a COMPLETED one moves\n$/),
    ])
    expect(await refusal(id, '')).toEqual([1, expect.stringMatching(/exists: name another file|EISDIR/)])
    await system.control({ forbid: { keys: [`VOUCHER:${second}`] } })
    const unknown = await system.promotion('VOUCHER', 'IN_PROGRESS', 1)
    await system.publishGifts(unknown, [second!])
    await system.until(
      'completed with an UNKNOWN gift',
      async () => (await system.promotions.find(unknown))?.status === 'COMPLETED',
      60_000,
    )
    expect(await refusal(unknown, 'b')).toEqual([
      1,
      expect.stringMatching(/not final \(1 UNKNOWN\): settle them first/),
    ])
  }, 120_000)
})
