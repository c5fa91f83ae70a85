import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { AuditRow } from '#database/gifts/audit-rows.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { Discrepancies } from '#promotion/audit/discrepancies.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import type { StreamConnection } from '#stream/index.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { auditDatabase, tableOf } from '#test/support/audit-rows.ts'

/** Pauses that were waited for. */
const pauses: number[] = []
jest.unstable_mockModule('node:timers/promises', () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }))
const { auditUnfinished } = await import('#promotion/audit/unfinished.ts')
beforeEach(() => void pauses.splice(0))

const MAX_LEN = 8
const streams = promotionStreams('')

let connection: StreamConnection | undefined
afterEach(() => connection?.close())

interface World {
  status?: PromotionStatus
  rows: Partial<AuditRow>[]
  /** Targets that have an entry. */
  entries?: readonly string[]
  /** What the database says when it is asked again. */
  now?: Partial<AuditRow>[]
  live?: (targetId: string) => boolean
}

/** Looks at vouchers of promotion 42. */
async function look({ status = 'IN_PROGRESS', rows, entries = [], now = rows, live = () => true }: World) {
  const server = new MemoryServer()
  for (const voucherTargetId of entries) {
    const ids = { promotionId: '42', promotionSummaryId: '1', voucherTargetId, memberId: '7', amount: '100' }
    const message = voucherTargetId === '' ? 'no gift' : JSON.stringify({ ...ids, partitionKey: 'k' })
    server.execute(['XADD', streams.VOUCHER.streamKey('42'), '*', 'key', 'k', 'message', message])
  }
  connection = createMemoryConnection(server)
  await connection.ready()
  const { kysely, asked } = auditDatabase({ rows: { VOUCHER: now }, promotions: [{ id: '42', status }] })
  const discrepancies = new Discrepancies(2000)
  const jobsAsked: string[] = []
  await auditUnfinished({
    ...{ kysely, connection, streams, discrepancies, maxLen: MAX_LEN, sweepAgeMs: 60_000, promotionIds: ['42'] },
    retryJobs: {
      findLive: async (_type, targetIds) => {
        jobsAsked.push(...targetIds)
        return targetIds.map(live)
      },
    },
    tables: { VOUCHER: tableOf(...rows), POINT: tableOf() },
  })
  return { found: discrepancies.listed.map(({ kind, targetId }) => `${kind} ${targetId}`), asked, jobsAsked }
}

const pending = (targetId: string, fields: Partial<AuditRow> = {}): Partial<AuditRow> => ({
  ...{ targetId, processStatus: 'PENDING', isOld: true, enqueued: true, moneyKey: null },
  ...fields,
})

describe('a PENDING row', () => {
  test('that is old and has no entry is named, one that has an entry is not', async () => {
    const { found } = await look({ rows: [pending('1'), pending('2'), pending('3')], entries: ['2', '9', ''] })
    expect(found).toEqual(['pending-without-entry 1', 'pending-without-entry 3'])
  })

  test('may be the first of all and have its entry', async () => {
    expect((await look({ rows: [pending('1'), pending('2')], entries: ['1', '2'] })).found).toEqual([])
  })

  test('that has just come may be on its way', async () => {
    expect((await look({ rows: [pending('1', { isOld: false })] })).found).toEqual([])
  })

  test.each<PromotionStatus>(['READY', 'PAUSED', 'STOPPED'])('of a promotion that is %s has no entry', async status => {
    expect((await look({ status, rows: [pending('1')] })).found).toEqual([])
  })

  test('of a COMPLETED promotion is named however young, whatever is on the stream', async () => {
    const rows = [pending('1', { isOld: false }), pending('2')]
    const { found } = await look({ status: 'COMPLETED', rows, entries: ['1', '2'] })
    expect(found).toEqual(['pending-without-entry 1', 'pending-without-entry 2'])
  })

  const never = { enqueued: false }
  test.each<[string, Partial<AuditRow>, number, boolean]>([
    ['that never had an entry waits for room while the stream is half full', never, MAX_LEN / 2, true],
    ['that never had an entry should have one where there is room', never, MAX_LEN / 2 - 1, false],
    ['that had an entry does not wait for room', {}, MAX_LEN, false],
  ])('%s', async (_name, fields, length, isRight) => {
    const entries = Array.from({ length }, (_, index) => String(100 + index))
    const { found } = await look({ rows: [pending('1', fields)], entries })
    expect(found).toEqual(isRight ? [] : ['pending-without-entry 1'])
  })

  test('that has moved on since the rows were read was under way', async () => {
    const now = [pending('1'), { targetId: '2' }, pending('3', { processStatus: 'RETRYING' })]
    const { found } = await look({ rows: ['1', '2', '3', '4'].map(id => pending(id)), now })
    expect(found).toEqual(['pending-without-entry 1'])
  })

  test('is looked up in pages, and none is left out', async () => {
    const rows = Array.from({ length: 501 }, (_, index) => pending(String(index + 1)))
    const { found, asked } = await look({ rows })
    expect([found.length, asked]).toEqual([501, [500, 1]])
  })
})

describe('a RETRYING row', () => {
  const retrying = (targetId: string) => pending(targetId, { processStatus: 'RETRYING' })

  test.each<[PromotionStatus, string[]]>([
    ['IN_PROGRESS', ['1', '2']],
    ['READY', ['1', '2']],
    ['COMPLETED', ['1', '2']],
    ['PAUSED', []],
    ['STOPPED', []],
  ])('of a promotion that is %s: its job is asked for where it should have one', async (status, expected) => {
    const { found, jobsAsked } = await look({ status, rows: [retrying('1'), { targetId: '3' }, retrying('2')] })
    expect([found, jobsAsked]).toEqual([[], expected])
    expect(pauses).toEqual([])
  })

  test('without a live job is named when it has none two seconds later either', async () => {
    const live = (targetId: string) => targetId === '2' || (targetId === '3' && pauses.length > 0)
    const { found, jobsAsked } = await look({ rows: ['1', '2', '3'].map(retrying), live })
    expect([found, jobsAsked]).toEqual([['retrying-without-job 1'], ['1', '2', '3', '1', '3']])
    expect(pauses).toEqual([2000])
  })

  test('that is no longer RETRYING was under way', async () => {
    const now = [retrying('1'), { targetId: '2' }, pending('3')]
    const { found } = await look({ rows: ['1', '2', '3', '4'].map(retrying), now, live: () => false })
    expect(found).toEqual(['retrying-without-job 1'])
  })
})
