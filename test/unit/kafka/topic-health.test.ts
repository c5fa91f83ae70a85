import { describe, expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { registerCodecs } from '#kafka/codecs.ts'
import { findBrokenCodecs, readGroupHealth, readTopicHealth, withFailFastAdmin } from '#kafka/topic-health.ts'

const partition = (leader: number, inSync: number) => ({ leader, isr: Array.from({ length: inSync }, (_, id) => id) })

/** A cluster of these topics. */
function clusterOf(partitions: Record<string, ReturnType<typeof partition>[]>, settings: Record<string, object> = {}) {
  const asked: string[][] = []
  const admin = {
    listTopics: async () => Object.keys(partitions),
    fetchTopicMetadata: async ({ topics }: { topics: string[] }) => {
      asked.push(topics)
      return { topics: topics.map(name => ({ name, partitions: partitions[name] })) }
    },
    describeConfigs: async ({ resources }: { resources: { name: string }[] }) => ({
      resources: resources
        .filter(({ name }) => settings[name] !== undefined)
        .map(({ name }) => ({
          resourceName: name,
          configEntries: Object.entries(settings[name]!).map(([configName, configValue]) => ({
            configName,
            configValue,
          })),
        })),
    }),
  }
  return { admin: admin as never, asked }
}

describe('a topic', () => {
  test('tells its partitions, those without a leader, the fewest replicas in sync, and its settings', async () => {
    const { admin, asked } = clusterOf(
      { a: [partition(1, 3), partition(-1, 1), partition(0, 2)], b: [partition(0, 1)], other: [partition(0, 1)] },
      { a: { 'retention.ms': '1000' } },
    )
    expect(await readTopicHealth(admin, ['a', 'b', 'missing'])).toEqual(
      new Map([
        ['a', { partitions: 3, leaderless: 1, inSync: 1, settings: new Map([['retention.ms', '1000']]) }],
        ['b', { partitions: 1, leaderless: 0, inSync: 1, settings: new Map() }],
      ]),
    )
    expect(asked).toEqual([['a', 'b']])
  })

  test('that does not exist is missing, and of none nothing more is asked: that would mean all', async () => {
    const { admin, asked } = clusterOf({ a: [partition(0, 1)] })
    expect(await readTopicHealth(admin, ['missing'])).toEqual(new Map())
    expect(asked).toEqual([])
  })
})

describe('a group', () => {
  const groupOf = (ends: [low: number, high: number][], committed?: (number | undefined)[], members?: number) =>
    readGroupHealth(
      {
        fetchTopicOffsets: async () =>
          ends.map(([low, high], at) => ({ partition: at, low: String(low), high: String(high) })),
        fetchOffsets: async () =>
          committed === undefined
            ? []
            : [
                {
                  partitions: committed.flatMap((offset, at) =>
                    offset === undefined ? [] : [{ partition: at, offset: String(offset) }],
                  ),
                },
              ],
        describeGroups: async () => ({ groups: members === undefined ? [] : [{ members: Array(members).fill({}) }] }),
      } as never,
      'g',
      't',
    )
  const nothing = { members: 0, lag: 0n, deleted: 0n, beyondEnd: 0 }

  test.each<[string, Parameters<typeof groupOf>, Partial<typeof nothing>]>([
    ['that never committed is behind by all there is', [[[5, 15]]], { lag: 10n }],
    [
      'without a position in a partition too',
      [
        [
          [0, 10],
          [0, 4],
        ],
        [3, -1],
        2,
      ],
      { lag: 11n, members: 2 },
    ],
    ['at the end is behind by nothing', [[[0, 10]], [10], 1], { members: 1 }],
    ['whose next messages were deleted missed those', [[[5, 15]], [2], 1], { lag: 10n, deleted: 3n, members: 1 }],
    ['at the first that is left missed none', [[[5, 15]], [5], 1], { lag: 10n, members: 1 }],
    ['beyond the end read a topic that was made again', [[[0, 3]], [10], 1], { beyondEnd: 1, members: 1 }],
    ['that committed nothing yet of an empty topic has missed nothing', [[[7, 7]], [-1], 1], { members: 1 }],
  ])('%s', async (_name, parameters, health) => {
    expect(await groupOf(...parameters)).toEqual({ ...nothing, ...health })
  })
})

describe('the codecs', () => {
  test('all of them work, once they are registered', async () => {
    registerCodecs()
    expect(await findBrokenCodecs()).toEqual([])
  })

  test.each<[string, () => Promise<Buffer>, string]>([
    ['fails', () => Promise.reject(new Error('no library')), 'no library'],
    ['gives back something else', async () => Buffer.from('a gift'), 'gives back something else'],
  ])('one that %s is named with its reason, alone', async (_name, decompress, reason) => {
    const { CompressionCodecs, CompressionTypes } = kafkajs
    registerCodecs()
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: async () => Buffer.alloc(0), decompress })
    try {
      expect(await findBrokenCodecs()).toEqual([`ZSTD (${reason})`])
    } finally {
      registerCodecs()
    }
  })
})

describe('a client that gives up soon', () => {
  const clientOf = (connect: () => Promise<void>) => {
    const life: string[] = []
    const admin = {
      connect: async () => {
        life.push('connect')
        await connect()
      },
      disconnect: async () => void life.push('disconnect'),
    }
    return { kafka: { admin: () => admin } as never, life }
  }

  test('is connected, used and closed', async () => {
    const { kafka, life } = clientOf(async () => undefined)
    const answer = await withFailFastAdmin(kafka, async () => {
      life.push('work')
      return 7
    })
    expect([answer, life]).toEqual([7, ['connect', 'work', 'disconnect']])
  })

  test('is closed when it cannot connect, and when its work fails', async () => {
    const away = clientOf(() => Promise.reject(new Error('no broker')))
    await expect(withFailFastAdmin(away.kafka, async () => 7)).rejects.toThrow('no broker')
    const failing = clientOf(async () => undefined)
    await expect(withFailFastAdmin(failing.kafka, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect([away.life, failing.life]).toEqual([
      ['connect', 'disconnect'],
      ['connect', 'disconnect'],
    ])
  })
})
