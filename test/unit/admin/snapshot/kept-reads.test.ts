import { describe, expect, test } from '@jest/globals'
import { createKeptReads } from '#admin/snapshot/kept-reads.ts'
import type { Sampler, Snapshot } from '#admin/snapshot/sampler.ts'
import { oldestOfEach, staleOf } from '#admin/snapshot/stale.ts'
import { CodedError } from '#runtime/errors.ts'

const away = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
const never = () => new Promise<never>(() => undefined)
const WITHIN_MS = { kept: { away: 5, answering: 20 }, nothing: { away: 10, answering: 40 } }

/** Snapshots whose servers were last read so long ago. */
function keptReads({ databaseMs = 0, redisMs = 0 } = {}) {
  const ago = { databaseMs, redisMs }
  const fresh = async () => {
    const atMs = Date.now()
    return { atMs, readAtMs: atMs - ago.databaseMs, redisReadAtMs: atMs - ago.redisMs } as Snapshot
  }
  return { kept: createKeptReads({ fresh } as unknown as Sampler, WITHIN_MS), ago }
}

const secondsAgo = (asOf: string | undefined) => Math.round((Date.now() - Date.parse(asOf ?? '')) / 1000)

describe('what pages read is kept', () => {
  test.each([
    ['that is refused', away],
    ['that hangs', never],
  ])('a server %s: the page’s last answer, with its time', async (_, ask) => {
    const { kept } = keptReads()
    const first = kept({ url: '/a' })
    expect(await first.read('database', async () => 'seen')).toBe('seen')
    expect(first.stale).toEqual([])
    const second = kept({ url: '/a' })
    expect(await second.read<string>('database', ask)).toBe('seen')
    expect(second.stale.map(({ server, asOf }) => [server, secondsAgo(asOf)])).toEqual([['database', 0]])
  })

  test('of another page or server nothing is shown: the error is the reader’s', async () => {
    const { kept } = keptReads()
    await kept({ url: '/a' }).read('database', async () => 'seen')
    await expect(kept({ url: '/a?status=UNKNOWN' }).read('database', away)).rejects.toThrow('ECONNREFUSED')
    await expect(kept({ url: '/a' }).read('redis', away)).rejects.toThrow('ECONNREFUSED')
    await expect(kept({ url: '/b' }).read('kafka', never)).rejects.toThrow('kafka does not answer in time')
    expect(await kept({ url: '/b' }).readIfKept('database', away)).toBeUndefined()
  })

  test('a refusal and a fault of ours are no outage', async () => {
    const { kept } = keptReads()
    await kept({ url: '/a' }).read('database', async () => 'seen')
    const missing = async () => {
      throw new CodedError('PROMOTION_NOT_FOUND', 'gone')
    }
    const broken = async () => {
      throw new TypeError('of ours')
    }
    await expect(kept({ url: '/a' }).read('database', missing)).rejects.toThrow('gone')
    await expect(kept({ url: '/a' }).readIfKept('database', broken)).rejects.toThrow('of ours')
  })

  test('an answer that was too late is there for the next reader', async () => {
    const { kept } = keptReads()
    await kept({ url: '/a' }).read('kafka', async () => 'old')
    const late = Promise.withResolvers<string>()
    expect(await kept({ url: '/a' }).read('kafka', () => late.promise)).toBe('old')
    late.resolve('new')
    await late.promise
    expect(await kept({ url: '/a' }).read<string>('kafka', away)).toBe('new')
  })

  test('what comes out of an old snapshot is as old as that', async () => {
    const { kept } = keptReads({ databaseMs: 90_000 })
    const reads = kept({ url: '/a' })
    expect(await reads.read('database', async () => 'of the snapshot')).toBe('of the snapshot')
    expect(reads.stale.map(({ server, asOf }) => [server, secondsAgo(asOf)])).toEqual([['database', 90]])
  })

  test('a server that is known to be away is waited for less', async () => {
    const { kept, ago } = keptReads()
    await kept({ url: '/a' }).read('redis', async () => 'seen')
    ago.redisMs = 1000
    const hangs = Promise.withResolvers<string>()
    const answer = kept({ url: '/a' }).read('redis', () => hangs.promise)
    setTimeout(() => hangs.resolve('too late'), (WITHIN_MS.kept.away + WITHIN_MS.kept.answering) / 2)
    expect(await answer).toBe('seen')
  })
})

describe('what is said of it', () => {
  test('a snapshot’s servers, each as of when it was read', () => {
    expect(staleOf({ atMs: 5000, readAtMs: 5000, redisReadAtMs: 5000 })).toEqual([])
    expect(staleOf({ atMs: 5000, readAtMs: 1000, redisReadAtMs: 3000 })).toEqual([
      { server: 'database', asOf: '1970-01-01T00:00:01.000Z' },
      { server: 'redis', asOf: '1970-01-01T00:00:03.000Z' },
    ])
  })

  test('one line a server, as of the oldest', () => {
    const at = (second: number) => new Date(second * 1000).toISOString()
    const stale = [
      { server: 'redis', asOf: at(9) },
      { server: 'database', asOf: at(8) },
      { server: 'database', asOf: at(7) },
    ] as const
    expect(oldestOfEach(stale)).toEqual([
      { server: 'database', asOf: at(7) },
      { server: 'redis', asOf: at(9) },
    ])
  })
})
