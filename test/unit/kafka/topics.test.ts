import { afterEach, expect, jest, test } from '@jest/globals'

let pauses = 0
jest.unstable_mockModule('node:timers/promises', () => ({ setTimeout: async () => void pauses++ }))
const { countRecords, ensureTopics } = await import('#kafka/topics.ts')

afterEach(() => {
  pauses = 0
})

interface Cluster {
  existing?: string[]
  /** The leaders of each topic's partitions, by how often they were asked for; the last for ever. */
  leaders?: number[][]
  /** What a question of that name is answered with, by how often it was put. */
  fails?: Record<string, (nth: number) => Error | undefined>
}

function clusterOf({ existing = [], leaders = [[0, 1]], fails = {} }: Cluster) {
  const asked: [name: string, about?: unknown][] = []
  const ask = (name: string, about?: unknown) => {
    asked.push(about === undefined ? [name] : [name, about])
    const nth = asked.filter(([other]) => other === name).length
    const error = fails[name]?.(nth)
    if (error !== undefined) throw error
    return nth
  }
  const admin = {
    connect: async () => void ask('connect'),
    disconnect: async () => void ask('disconnect'),
    listTopics: async () => {
      ask('listTopics')
      return existing
    },
    createTopics: async (wanted: unknown) => void ask('createTopics', wanted),
    fetchTopicMetadata: async ({ topics }: { topics: string[] }) => {
      const nth = ask('fetchTopicMetadata', topics)
      const now = leaders[Math.min(nth, leaders.length) - 1] as number[]
      return { topics: topics.map(name => ({ name, partitions: now.map(leader => ({ leader })) })) }
    },
    fetchTopicOffsets: async (topic: string) => {
      ask('fetchTopicOffsets', topic)
      return [
        { partition: 0, low: '3', high: '10' },
        { partition: 1, low: '0', high: '5' },
      ]
    },
  }
  const times = (name: string) => asked.filter(([other]) => other === name).length
  const created = () => asked.filter(([name]) => name === 'createTopics').map(([, about]) => about)
  return { kafka: { admin: () => admin } as never, times, created }
}

const failure = (message: string, retriable?: boolean) => Object.assign(new Error(message), { retriable })

test('only the topics that are missing are made, with as many partitions, and as many replicas as the brokers say', async () => {
  const { kafka, created, times } = clusterOf({ existing: ['a', 'other'] })
  await ensureTopics(kafka, ['a', 'b', 'c'], 12)
  expect(created()).toEqual([
    {
      waitForLeaders: false,
      topics: ['b', 'c'].map(topic => ({ topic, numPartitions: 12, replicationFactor: -1 })),
    },
  ])
  expect([times('disconnect'), pauses]).toEqual([1, 0])
})

test('where all of them exist nothing is made', async () => {
  const { kafka, created } = clusterOf({ existing: ['a', 'b'] })
  await ensureTopics(kafka, ['a', 'b'], 12)
  expect(created()).toEqual([])
})

test.each([
  ['no partitions yet', [[], [0]]],
  [
    'a partition that nobody leads',
    [
      [0, -1],
      [0, 1],
    ],
  ],
])('a topic with %s is waited for', async (_name, leaders) => {
  const { kafka, times } = clusterOf({ existing: ['a'], leaders })
  await ensureTopics(kafka, ['a'], 2)
  expect([times('fetchTopicMetadata'), pauses]).toEqual([2, 1])
})

test('an error that may pass is no end, and at last is told, with the settings that it is about', async () => {
  const passes = clusterOf({ fails: { createTopics: nth => (nth === 1 ? failure('another makes it') : undefined) } })
  await ensureTopics(passes.kafka, ['a'], 2)
  expect(passes.times('createTopics')).toBe(2)

  const stays = clusterOf({ fails: { listTopics: () => failure('no leader', true) } })
  await expect(ensureTopics(stays.kafka, ['a'], 2)).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect([stays.times('listTopics'), stays.times('disconnect')]).toEqual([20, 1])
})

test('an error that does not pass is told at once', async () => {
  const { kafka, times } = clusterOf({ fails: { createTopics: () => failure('not authorized', false) } })
  await expect(ensureTopics(kafka, ['a'], 2)).rejects.toThrow('not authorized')
  expect([times('createTopics'), times('disconnect'), pauses]).toEqual([1, 1, 0])
})

test('a cluster without a controller makes a topic when it is asked about it', async () => {
  const fails = { createTopics: () => failure('Broker -1 not found in the cached metadata', false) }
  const { kafka, times } = clusterOf({ fails })
  await ensureTopics(kafka, ['a'], 2)
  expect(times('fetchTopicMetadata')).toBe(1)
})

test('brokers that are away are told as such, and a disconnect that fails too changes nothing', async () => {
  const away = () => failure('Connection timeout')
  const { kafka, times } = clusterOf({ fails: { connect: away, disconnect: away } })
  await expect(ensureTopics(kafka, ['a'], 2)).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect(times('disconnect')).toBe(1)
})

test('the records of a topic are those that it still holds, over all partitions', async () => {
  const { kafka, times } = clusterOf({})
  expect(await countRecords(kafka, 'a')).toBe(12)
  expect([times('connect'), times('disconnect')]).toEqual([1, 1])
})
