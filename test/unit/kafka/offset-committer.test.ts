import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { type NextOffset, OffsetCommitter } from '#kafka/offset-committer.ts'
import { createLogger } from '#runtime/logger.ts'

beforeEach(() => {
  jest.useFakeTimers()
  jest.advanceTimersByTime(100_000)
})
afterEach(() => void jest.useRealTimers())

/** What the broker was asked, in order, and how each of these questions ends. */
function committerOf(fails: (nth: number) => Promise<void>) {
  const asked: NextOffset[][] = []
  const commit = (offsets: NextOffset[]) => fails(asked.push(offsets))
  return { asked, committer: new OffsetCommitter({ commit, logger: createLogger('test', 'silent') }) }
}

const failing = (failures: number) => async (nth: number) => {
  if (nth <= failures) throw new Error('coordinator is away')
}
const next = (partition: number, offset: string): NextOffset => ({ topic: 'gifts', partition, offset })

test('a commit that failed is made again by itself, until it worked, and not once more', async () => {
  const { asked, committer } = committerOf(failing(3))
  await committer.commit(next(0, '5'))
  expect(asked).toHaveLength(1)
  await jest.advanceTimersByTimeAsync(60_000)
  expect(asked).toEqual(Array.from({ length: 4 }, () => [next(0, '5')]))
  committer.assertCommitted()
})

test('made again, it takes along what has come since, and of each partition only the last', async () => {
  const { asked, committer } = committerOf(failing(2))
  await committer.commit(next(0, '5'))
  await committer.commit(next(1, '7'))
  await committer.commit(next(0, '9'))
  await jest.advanceTimersByTimeAsync(60_000)
  expect(asked.slice(1)).toEqual([
    [next(0, '5'), next(1, '7')],
    [next(0, '9'), next(1, '7')],
  ])
})

test('what comes while a commit is under way goes with one of its own', async () => {
  const first = Promise.withResolvers<void>()
  const { asked, committer } = committerOf(nth => (nth === 1 ? first.promise : Promise.resolve()))
  const begun = committer.commit(next(0, '5'))
  await jest.advanceTimersByTimeAsync(0)
  const later = committer.commit(next(0, '6'))
  first.resolve()
  await Promise.all([begun, later])
  expect(asked).toEqual([[next(0, '5')], [next(0, '6')]])
})

test('a broker that does not answer is asked again', async () => {
  const { asked, committer } = committerOf(nth => (nth === 1 ? new Promise(() => undefined) : Promise.resolve()))
  void committer.commit(next(0, '5'))
  await jest.advanceTimersByTimeAsync(4000)
  expect(asked).toHaveLength(2)
})

test('what cannot be committed for long is told, and no longer once it worked', async () => {
  const { committer } = committerOf(failing(40))
  await committer.commit(next(0, '5'))
  await jest.advanceTimersByTimeAsync(14_000)
  committer.assertCommitted()
  await jest.advanceTimersByTimeAsync(2000)
  expect(() => committer.assertCommitted()).toThrow('offsets could not be committed for 16 s')
  await jest.advanceTimersByTimeAsync(10_000)
  committer.assertCommitted()
})

test('what is forgotten is not committed later, not with others either: the partition may be of another member now', async () => {
  const { asked, committer } = committerOf(failing(1))
  await committer.commit(next(0, '5'))
  committer.forget()
  await jest.advanceTimersByTimeAsync(60_000)
  expect(asked).toHaveLength(1)
  committer.assertCommitted()
  await committer.commit(next(1, '7'))
  expect(asked.slice(1)).toEqual([[next(1, '7')]])
})

test('what fails after that is tried again all the same', async () => {
  const { asked, committer } = committerOf(failing(2))
  await committer.commit(next(0, '5'))
  committer.forget()
  await committer.commit(next(1, '7'))
  await jest.advanceTimersByTimeAsync(60_000)
  expect(asked).toEqual([[next(0, '5')], [next(1, '7')], [next(1, '7')]])
})

test('commits that fail one after the other wait for one retry, not for one each', async () => {
  const { asked, committer } = committerOf(failing(100))
  for (const offset of ['5', '6', '7']) {
    await committer.commit(next(0, offset))
    await jest.advanceTimersByTimeAsync(100)
  }
  await jest.advanceTimersByTimeAsync(600)
  expect(asked).toHaveLength(4)
})

test('what came while another was committed, and cannot be, is told in its time', async () => {
  const first = Promise.withResolvers<void>()
  const { committer } = committerOf(nth => (nth === 1 ? first.promise : Promise.reject(new Error('away'))))
  void committer.commit(next(0, '5'))
  await jest.advanceTimersByTimeAsync(0)
  void committer.commit(next(1, '7'))
  first.resolve()
  await jest.advanceTimersByTimeAsync(14_000)
  committer.assertCommitted()
  await jest.advanceTimersByTimeAsync(2000)
  expect(() => committer.assertCommitted()).toThrow('offsets could not be committed for 16 s')
})
