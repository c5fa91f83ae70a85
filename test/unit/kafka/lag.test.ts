import { expect, test } from '@jest/globals'
import { createLagReader } from '#kafka/lag.ts'

interface Group {
  ends: [low: number, high: number][]
  /** By partition; missing: nothing was ever committed. */
  committed?: number[]
  members?: number
}

async function readerOf({ ends, committed, members }: Group) {
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchTopicOffsets: async () =>
      ends.map(([low, high], partition) => ({ partition, low: String(low), high: String(high) })),
    fetchOffsets: async () =>
      committed === undefined
        ? []
        : [{ partitions: committed.map((offset, partition) => ({ partition, offset: String(offset) })) }],
    describeGroups: async () => ({ groups: members === undefined ? [] : [{ members: Array(members).fill({}) }] }),
  }
  const reader = createLagReader({ admin: () => admin } as never)
  await reader.start()
  return reader
}

test.each<[string, Group, number]>([
  ['at the end is behind by nothing', { ends: [[0, 10]], committed: [10] }, 0],
  ['that never committed is behind by the whole topic', { ends: [[5, 15]] }, 10],
  ['without an offset in one partition is behind by that', { ends: [[0, 7]], committed: [-1] }, 7],
  [
    'is behind by the sum over its partitions',
    {
      ends: [
        [0, 10],
        [0, 5],
      ],
      committed: [8, 1],
    },
    6,
  ],
  ['is not behind by what was deleted unread', { ends: [[5, 15]], committed: [2] }, 10],
  [
    'beyond the end of one partition makes up for nothing of another',
    {
      ends: [
        [0, 3],
        [0, 4],
      ],
      committed: [9, 0],
    },
    4,
  ],
])('a group %s', async (_name, group, lag) => {
  const reader = await readerOf(group)
  expect(await reader.read('g', 't')).toBe(lag)
  await reader.stop()
})

test.each([
  [undefined, false],
  [0, false],
  [1, true],
  [3, true],
])('has a group with %s members any?', async (members, hasAny) => {
  const reader = await readerOf({ ends: [], ...(members === undefined ? {} : { members }) })
  expect(await reader.hasMembers('g')).toBe(hasAny)
})
