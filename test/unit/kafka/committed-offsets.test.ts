import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { CommittedOffsets } from '#kafka/committed-offsets.ts'
import type { NextOffset } from '#kafka/offset-committer.ts'

const stops: (() => Promise<void>)[] = []

beforeEach(() => void jest.useFakeTimers())
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  jest.useRealTimers()
})

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

/** A broker with one topic of two partitions that begin at 10 and 20, and what its group has committed on it. */
function groupOf(committed: Record<number, string> = {}) {
  const state = { committed, isAway: false, opened: 0, connected: 0, closed: 0, looks: 0 }
  /** How long the answers to the next looks take, one after the other; each says what was there when it was asked for. */
  const slow: Promise<void>[] = []
  const gone: string[] = []
  const commits: NextOffset[][] = []
  const answer = async <T>(value: () => T) => {
    if (state.isAway) throw new Error('Kafka is away')
    return value()
  }
  const admin = () => {
    state.opened += 1
    return {
      connect: () => answer(() => void state.connected++),
      disconnect: async () => void state.closed++,
      fetchOffsets: ({ groupId, topics }: { groupId: string; topics: string[] }) =>
        answer(() => {
          state.looks += 1
          expect([groupId, topics]).toEqual(['g', ['t']])
          const partitions = [0, 1].map(partition => ({ partition, offset: state.committed[partition] ?? '-1' }))
          return [{ topic: 't', partitions }]
        }).then(async rows => {
          await slow.shift()
          return rows
        }),
      fetchTopicOffsets: () =>
        answer(() => [
          { partition: 0, low: '10' },
          { partition: 1, low: '20' },
        ]),
    }
  }
  const offsets = new CommittedOffsets({
    kafka: { admin } as never,
    groupId: 'g',
    topics: ['t'],
    commit: async next => {
      commits.push(next)
      for (const { partition, offset } of next) state.committed[partition] = offset
    },
    onGone: ({ message }) => void gone.push(message),
  })
  stops.push(() => offsets.stop())
  return { offsets, state, slow, commits, gone }
}

const at = (partition: number, offset: string): NextOffset => ({ topic: 't', partition, offset })

test('a partition on which nothing was committed begins with a commit of its first offset, and is fetched from there once more', async () => {
  const { offsets, commits } = groupOf({ 0: '15' })
  offsets.joined({ t: [0, 1] })
  expect(await offsets.fetchAgainFrom('t', 1)).toBe('20')
  expect(await offsets.fetchAgainFrom('t', 1)).toBeUndefined()
  expect(await offsets.fetchAgainFrom('t', 0)).toBeUndefined()
  expect(commits).toEqual([[at(1, '20')]])
})

test('only the partitions that are ours are begun, at each join anew', async () => {
  const { offsets, commits } = groupOf()
  offsets.joined({ t: [0] })
  expect(await offsets.fetchAgainFrom('t', 0)).toBe('10')
  offsets.joined({ t: [1] })
  expect(await offsets.fetchAgainFrom('t', 1)).toBe('20')
  expect(commits).toEqual([[at(0, '10')], [at(1, '20')]])
})

test('where all is committed nothing is committed and nothing fetched again', async () => {
  const { offsets, commits } = groupOf({ 0: '15', 1: '0' })
  offsets.joined({ t: [0, 1] })
  expect([await offsets.fetchAgainFrom('t', 0), await offsets.fetchAgainFrom('t', 1)]).toEqual([undefined, undefined])
  expect(commits).toEqual([])
})

test('it begins by itself when it joins', async () => {
  const { offsets, commits } = groupOf()
  offsets.joined({ t: [0, 1] })
  await passing(0)
  expect(commits).toEqual([[at(0, '10'), at(1, '20')]])
})

test('a beginning that failed is made by whoever asks next; until then nothing may be handled', async () => {
  const { offsets, state, commits } = groupOf()
  state.isAway = true
  offsets.joined({ t: [0] })
  await expect(offsets.fetchAgainFrom('t', 0)).rejects.toThrow('Kafka is away')
  state.isAway = false
  await passing(0)
  expect(await offsets.fetchAgainFrom('t', 0)).toBe('10')
  expect(commits).toHaveLength(1)
})

test('the next look makes it too', async () => {
  const { offsets, state, commits } = groupOf()
  state.isAway = true
  offsets.joined({ t: [0] })
  await passing(0)
  state.isAway = false
  await offsets.assertThere()
  expect(commits).toEqual([[at(0, '10')]])
})

test('partitions dealt anew while it begins: what it began with then does not undo what it begins with now', async () => {
  const { offsets, slow } = groupOf()
  const first = Promise.withResolvers<void>()
  slow.push(first.promise)
  offsets.joined({ t: [0] })
  await passing(0)
  offsets.joined({ t: [1] })
  await passing(0)
  first.resolve()
  await passing(0)
  expect(await offsets.fetchAgainFrom('t', 1)).toBe('20')
})

test.each(['joins anew', 'is stopped'])('what was read before a consumer %s is no reason to stop it', async what => {
  const { offsets, state, slow, gone } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  const read = Promise.withResolvers<void>()
  slow.push(read.promise)
  state.committed = {}
  const looking = offsets.assertThere()
  await passing(0)
  if (what === 'is stopped') await offsets.stop()
  else offsets.joined({ t: [0] })
  await passing(0)
  read.resolve()
  await looking
  expect(gone).toEqual([])
})

test('an offset that is committed no more is told, with its partition', async () => {
  const { offsets, state, gone } = groupOf({ 0: '15', 1: '25' })
  offsets.joined({ t: [0, 1] })
  await offsets.assertThere()
  delete state.committed[1]
  await expect(offsets.assertThere()).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MADE_AGAIN' })
  expect(gone).toEqual([expect.stringContaining('partition 1 of t')])
})

test.each([
  ['was there when it joined', 15],
  ['it made itself', undefined],
])('one that %s is missed though it was never looked for since', async (_name, offset) => {
  const { offsets, state, gone } = groupOf(offset === undefined ? {} : { 0: String(offset) })
  offsets.joined({ t: [0] })
  await offsets.fetchAgainFrom('t', 0)
  state.committed = {}
  await passing(5000)
  expect(gone).toEqual([expect.stringContaining('partition 0 of t')])
})

test('one that was committed since is missed too', async () => {
  const { offsets, state, gone } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  state.committed[1] = '30'
  await offsets.assertThere()
  delete state.committed[1]
  await offsets.assertThere().catch(() => undefined)
  expect(gone).toEqual([expect.stringContaining('partition 1 of t')])
})

test('what was lost before it joined is not missed: it reads from the beginning', async () => {
  const { offsets, state, gone } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  state.committed = {}
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  expect(gone).toEqual([])
})

test('nobody looks while Kafka is away, and that is no loss', async () => {
  const { offsets, state, gone } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  state.isAway = true
  await expect(offsets.assertThere()).rejects.toThrow('Kafka is away')
  await passing(20_000)
  state.isAway = false
  await offsets.assertThere()
  expect(gone).toEqual([])
})

test('one connection is kept; one that failed is closed, and replaced', async () => {
  const { offsets, state } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  await offsets.assertThere()
  expect([state.opened, state.closed]).toEqual([1, 0])
  state.isAway = true
  await offsets.assertThere().catch(() => undefined)
  state.isAway = false
  await offsets.assertThere()
  expect([state.opened, state.connected, state.closed]).toEqual([2, 2, 1])
})

test('stopped, it closes its connection, looks no more, and tells nothing', async () => {
  const { offsets, state, gone } = groupOf({ 0: '15' })
  offsets.joined({ t: [0] })
  await offsets.assertThere()
  state.committed = {}
  const looking = offsets.assertThere()
  await offsets.stop()
  await looking.catch(() => undefined)
  const { looks } = state
  await passing(60_000)
  expect([state.looks, state.opened, state.closed, gone]).toEqual([looks, 1, 1, []])
  await expect(offsets.assertThere()).rejects.toMatchObject({ code: 'KAFKA_STOPPED' })
})

test('a stop before anything was asked closes nothing', async () => {
  const { offsets, state } = groupOf()
  await offsets.stop()
  expect(state.opened).toBe(0)
})
