import { describe, expect, test } from '@jest/globals'
import { finish } from '#database/promotions/completion.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { announceCompleted, type CompletionDeps, completeIfDone } from '#promotion/upkeep/completion.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createLogger } from '#runtime/logger.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

const PROMOTION = { id: '42', type: 'VOUCHER', status: 'IN_PROGRESS', totalCount: 5 } as Promotion
const logger = createLogger('test', 'silent')

describe('a promotion', () => {
  interface Looks {
    counters?: boolean
    rows?: boolean
    /** No longer IN_PROGRESS. */
    isTaken?: boolean
    lastLook?: boolean
    error?: Error
  }

  /** What its looks say, each true but where it is said; and which were taken. */
  async function completing(
    looks: Looks,
    { thorough = false, ...fields }: Partial<Promotion> & { thorough?: boolean } = {},
  ) {
    const { counters = true, rows = true, isTaken = false, lastLook = true, error } = looks
    const taken: string[] = []
    const read = () => {
      if (error !== undefined) throw error
      return [{ complete: lastLook }]
    }
    /** By what its statement holds. */
    const answers: [string, string, () => object[]][] = [
      ['pg_advisory_xact_lock', 'lock', () => []],
      ['t.inserted >=', 'counters', () => [{ complete: counters }]],
      ['select case when', 'rows', () => [{ complete: rows }]],
      ['update', 'complete', () => (isTaken ? [] : [{ id: '42' }])],
      ['count(*) >= (select total_count', 'last look', read],
    ]
    const { kysely } = scriptedKysely(({ sql }) => {
      const [, look, answer] = answers.find(([part]) => sql.includes(part)) ?? []
      if (look !== undefined) taken.push(look)
      return answer?.() ?? []
    })
    const lines: string[] = []
    const deps = { kysely, quietMs: 0, logger: { info: (_fields: object, line: string) => lines.push(line) } }
    await completeIfDone({ ...PROMOTION, ...fields }, deps as unknown as CompletionDeps, thorough)
    return { taken, isCompleted: lines.length === 1 }
  }

  test('whose gifts are all final is completed', async () => {
    const taken = ['counters', 'rows', 'lock', 'complete', 'last look']
    expect(await completing({})).toEqual({ taken, isCompleted: true })
  })

  test.each<[Looks, string[]]>([
    [{ counters: false }, ['counters']],
    [{ rows: false }, ['counters', 'rows']],
    [{ isTaken: true }, ['counters', 'rows', 'lock', 'complete']],
    [{ lastLook: false }, ['counters', 'rows', 'lock', 'complete', 'last look']],
  ])('of which the looks say %j is not, and is looked at no further', async (looks, taken) => {
    expect(await completing(looks)).toEqual({ taken, isCompleted: false })
  })

  test('that is looked at thoroughly is so whatever the counters say', async () => {
    const taken = ['rows', 'lock', 'complete', 'last look']
    expect(await completing({ counters: false }, { thorough: true })).toEqual({ taken, isCompleted: true })
  })

  test.each([{ status: 'PAUSED' as const }, { totalCount: 0 }])('that is %j is not looked at', async fields => {
    expect(await completing({}, fields)).toEqual({ taken: [], isCompleted: false })
  })

  test('whose rows cannot be read is an error', async () => {
    await expect(completing({ error: new Error('away') })).rejects.toThrow('away')
  })
})

describe('a finish', () => {
  const finishing = (changed: object[], counts: object[] | Error, recorded: object[] = []) => {
    const { kysely, asked } = scriptedKysely(({ sql }) => {
      if (sql.includes('finish_difference')) return recorded
      if (sql.startsWith('update')) return changed
      if (!sql.includes('as pending')) return []
      if (counts instanceof Error) throw counts
      return counts
    })
    return { finished: finish(kysely, PROMOTION), asked }
  }

  test.each([
    [1, 0],
    [0, 2],
  ])('waits for %i PENDING and %i RETRYING gifts', async (pending, retrying) => {
    const { finished } = finishing([{}], [{ pending, retrying, count: 5 }], [{ difference: 0 }])
    expect(await finished).toEqual({ kind: 'unfinished', pending, retrying })
  })

  test('tells by how much the rows differ from the total', async () => {
    const counts = [{ pending: 0, retrying: 0, count: 3 }]
    const { finished } = finishing([{}], counts, [{ difference: -2 }])
    expect(await finished).toEqual({ kind: 'finished', difference: -2 })
    expect(await finishing([], counts).finished).toEqual({ kind: 'wrong-state' })
  })

  test('begins with the lock that keeps inserts out; rows that cannot be read are an error', async () => {
    const { finished, asked } = finishing([{}], new Error('away'))
    await expect(finished).rejects.toThrow('away')
    expect(asked[0]?.sql).toContain('pg_advisory_xact_lock')
  })
})

describe('completed promotions', () => {
  /** Those of these ids are to be announced; and what was done. */
  async function announce(
    ids: string[],
    { hasTime = (): boolean => true, broken = [] as string[], isKafkaAway = false } = {},
  ) {
    const did: string[] = []
    const { kysely } = scriptedKysely(({ sql, parameters }) => {
      if (sql.startsWith('update')) did.push(`mark ${parameters[0]}`)
      if (sql.includes('completed_event_at is null')) {
        expect(parameters).toEqual([5000, 100])
        return ids.map(promotionId => ({ promotionId, type: 'VOUCHER', totalCount: 5, finishedAt: 'then' }))
      }
      return sql.includes('as success') ? [{ success: 3, failed: 1, unknown: 1 }] : []
    })
    const deps = {
      ...{ kysely, logger, streams: promotionStreams(''), topic: 'completed' },
      producer: { queue: (streamKey: string) => streamKey },
      registry: {
        cleanupStream: async (streamKey: string) => {
          const id = /\d+/.exec(streamKey)?.[0] ?? ''
          if (broken.includes(id)) throw new Error('its shard is away')
          did.push(`remove ${id}`)
        },
      },
      events: {
        publish: async ({ topic, key, value }: { topic: string; key: string; value: string }) => {
          if (isKafkaAway) throw new Error('Kafka is away')
          did.push(`${topic} ${key} ${value}`)
        },
      },
    }
    await announceCompleted(deps as unknown as CompletionDeps, hasTime)
    return did
  }
  const told = (promotionId: string) => {
    const counts = { totalCount: 5, finishedAt: 'then', success: 3, failed: 1, unknown: 1 }
    return `completed ${promotionId} ${JSON.stringify({ promotionId, type: 'VOUCHER', ...counts })}`
  }

  test('lose their stream, are told, and then noted as told', async () => {
    expect(await announce(['1', '2'])).toEqual(['remove 1', 'remove 2', told('1'), told('2'), 'mark 1', 'mark 2'])
  })

  test('whose stream cannot be removed are told in a later round', async () => {
    expect(await announce(['1', '2'], { broken: ['1'] })).toEqual(['remove 2', told('2'), 'mark 2'])
  })

  test('that Kafka was not told of are not noted', async () => {
    expect(await announce(['1'], { isKafkaAway: true })).toEqual(['remove 1'])
  })

  test('are left to the next process by one that stops', async () => {
    let turns = 0
    expect(await announce(['1', '2'], { hasTime: () => turns++ < 1 })).toEqual(['remove 1'])
  })
})
