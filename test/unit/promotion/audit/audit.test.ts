import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals'
import type { AuditRow, WrongSummary } from '#database/gifts/audit-rows.ts'
import { type AuditSources, audit } from '#promotion/audit/audit.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { type AuditWorld, auditDatabase } from '#test/support/audit-rows.ts'
import { type KeptRecord, keptTopics } from '#test/support/kept-topics.ts'
import { giftOf, numbers, rowFor } from '#test/support/message-audit.ts'

const folder = mkdtempSync(join(tmpdir(), 'promostream-audit-'))
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => void jest.useRealTimers())

/** Promotion 42 alone, which is completed. */
async function look(world: Partial<AuditWorld>, sources: Partial<AuditSources> = {}) {
  const { kysely } = auditDatabase({ rows: {}, promotions: [{ id: '42', status: 'COMPLETED' }], ...world })
  const told: (string | number)[] = []
  const progress: AuditSources['progress'] = {
    begin: (what, total) => told.push(what, total),
    advance: count => told.push(count),
    end: () => told.push('end'),
  }
  const report = await audit({ kysely, promotionIds: ['42'], sweepAgeMs: 60_000, limit: 100, progress, ...sources })
  return { report, told }
}

const kafkaOf = (records: readonly KeptRecord[], committed = 100): NonNullable<AuditSources['kafka']> => ({
  kafka: keptTopics({ vouchers: [{ records }], points: [], invalid: [] }, { 'v/vouchers': [committed] }).kafka,
  ...{ topics: { VOUCHER: 'vouchers', POINT: 'points' }, invalidTopic: 'invalid' },
  groupIds: { VOUCHER: 'v', POINT: 'p' },
})

const settlementOf = async (...targetIds: number[]): Promise<NonNullable<AuditSources['charges']>> => {
  const path = join(folder, 'settlement.jsonl')
  const charges = targetIds.map(id => ({ key: `VOUCHER:${id}`, transactionKey: 'tx-1', amount: '100' }))
  await writeFile(path, charges.map(charge => `${JSON.stringify(charge)}\n`).join(''))
  return { from: 'settlement', path }
}

const STATES = { PENDING: 0, RETRYING: 0, SUCCESS: 0, FAILED: 0, UNKNOWN: 0 }

describe('the rows', () => {
  const mixed: Partial<AuditRow>[] = [
    ...[rowFor(1, { attempts: 2 }), rowFor(2, { processStatus: 'FAILED', attempts: 3 }), rowFor(3)],
    rowFor(4, { promotionId: '43', processStatus: 'UNKNOWN', attempts: 4 }),
  ]

  test('of the promotions that are named are counted by their state, with their POSTs', async () => {
    const { report, told } = await look({ rows: { VOUCHER: mixed, POINT: [rowFor(1)] } })
    expect(report).toMatchObject({ ok: true, rows: 4, states: { ...STATES, SUCCESS: 3, FAILED: 1 }, attempts: 7 })
    expect(told).toEqual(['rows', 4, 3, 1, 'end'])
  })

  test('of all are counted where none is named', async () => {
    const { report, told } = await look(
      { rows: { VOUCHER: mixed, POINT: [rowFor(1)] }, promotions: [] },
      { promotionIds: [] },
    )
    expect(report).toMatchObject({ rows: 5, states: { ...STATES, SUCCESS: 3, FAILED: 1, UNKNOWN: 1 }, attempts: 11 })
    expect(told).toEqual(['rows', 5, 4, 1, 'end'])
  })

  test('of a promotion that is named twice are counted once, page by page', async () => {
    const rows = { VOUCHER: numbers(1, 1000).map(n => rowFor(n)) }
    const { report, told } = await look({ rows }, { promotionIds: ['42', '42'] })
    expect([report.rows, told]).toEqual([1000, ['rows', 1000, 500, 500, 'end']])
  })
})

test.each([
  [['42', '43'], 'promotion 43 does not exist'],
  [['43', '44'], 'promotions 43, 44 do not exist'],
])('of promotions %j those that do not exist are named', async (promotionIds, message) => {
  await expect(look({}, { promotionIds })).rejects.toMatchObject({ code: 'PROMOTION_NOT_FOUND', message })
})

test('what is not looked at is said to be so', async () => {
  const rows = { VOUCHER: [rowFor(1), rowFor(2, { processStatus: 'PENDING', attempts: 0 })] }
  expect((await look({ rows })).report).toEqual({
    ...{ ok: true, messages: null, duplicates: 0, skipped: 0, invalid: 0, expired: 0, repaired: 0 },
    ...{
      rows: 2,
      states: { ...STATES, SUCCESS: 1, PENDING: 1 },
      attempts: 1,
      chargedOnce: null,
      missing: 0,
      double: null,
    },
    ...{ unanswered: 0, counts: {}, discrepancies: [], truncated: false },
  })
})

describe('what is joined with the rows', () => {
  test('is Kafka: messages, and what of them has no row', async () => {
    const records = numbers(1, 3).map(n => ({ offset: n, value: giftOf(n) }))
    const rows = { VOUCHER: [rowFor(1), rowFor(3)] }
    const { report } = await look({ rows }, { kafka: kafkaOf(records) })
    expect(report).toMatchObject({ ok: false, messages: 3, missing: 1, counts: { 'message-without-row': 1 } })
    expect(report.discrepancies).toEqual([expect.objectContaining({ kind: 'message-without-row', targetId: '2' })])
  })

  test('are charges, one a SUCCESS row', async () => {
    const rows = { VOUCHER: [rowFor(1), rowFor(2), rowFor(3)] }
    const paid = await look({ rows }, { charges: await settlementOf(1, 2, 3) })
    expect(paid.report).toMatchObject({ ok: true, chargedOnce: 3, missing: 0, double: 0 })
    const { report } = await look({ rows }, { charges: await settlementOf(1, 1, 2) })
    expect(report).toMatchObject({ ok: false, chargedOnce: 1, missing: 1, double: 1 })
  })

  test('are charges that must have the row’s transaction key', async () => {
    const rows = { VOUCHER: [rowFor(1, { moneyKey: 'tx-2' })] }
    const { report } = await look({ rows }, { charges: await settlementOf(1) })
    expect(report.counts).toEqual({ 'money-key-differs': 1 })
  })

  test('are answers of the Money API: without one nothing is in order, and nothing is missing', async () => {
    jest.useFakeTimers()
    const moneyApi = { lookup: async () => ({ kind: 'unsettled', code: 'TIMEOUT', message: '' }) as const }
    const charges = { from: 'api', moneyApi, concurrency: 1, perSecond: 100 } as const
    const looked = look({ rows: { VOUCHER: [rowFor(1)] } }, { charges })
    await jest.advanceTimersByTimeAsync(60_000)
    const { report } = await looked
    expect(report).toMatchObject({ ok: false, unanswered: 1, missing: 0, counts: {} })
  })

  test('are entries: a completed promotion has nothing PENDING', async () => {
    const connection = createMemoryConnection(new MemoryServer())
    await connection.ready()
    const redis = { connection, streams: promotionStreams(''), maxLen: 8, retryJobs: { findLive: async () => [] } }
    const { report } = await look({ rows: { VOUCHER: [rowFor(1, { processStatus: 'PENDING' })] } }, { redis })
    await connection.close()
    expect(report).toMatchObject({ ok: false, missing: 0, counts: { 'pending-without-entry': 1 } })
  })
})

describe('summary counters', () => {
  const summary = (summaryId: string, count: number): WrongSummary & { count: number } => ({
    ...{ summaryId, promotionId: '42', successCount: '5', failedCount: '1', successRows: '4', failedRows: '2', count },
  })

  test('that are wrong are named with what the rows say', async () => {
    const { report } = await look({ summaries: [summary('9', 1)] })
    const detail = 'counters 5 SUCCESS, 1 FAILED; rows 4 SUCCESS, 2 FAILED'
    expect(report.discrepancies).toEqual([{ kind: 'summary-counter-off', promotionId: '42', summaryId: '9', detail }])
    expect([report.ok, report.truncated, report.counts]).toEqual([false, false, { 'summary-counter-off': 1 }])
  })

  test('are all counted, though not all are listed', async () => {
    const { report } = await look({ summaries: [summary('8', 7), summary('9', 7)] }, { limit: 1 })
    expect([report.discrepancies.length, report.truncated]).toEqual([1, true])
    expect(report.counts).toEqual({ 'summary-counter-off': 7 })
  })
})
