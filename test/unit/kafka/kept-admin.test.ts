import { expect, test } from '@jest/globals'
import { createKeptAdmin } from '#kafka/kept-admin.ts'

/** Counts clients that were opened and closed; `connects` decides how a connection ends. */
function fakeKafka(connects: () => Promise<void> = async () => undefined) {
  const counts = { opened: 0, closed: 0 }
  const admin = () => {
    counts.opened += 1
    const disconnect = async () => {
      counts.closed += 1
    }
    return { connect: connects, disconnect }
  }
  return { counts, kept: createKeptAdmin('probe', { admin } as never, { retries: 0 }) }
}

test('one connection answers many questions; a client that failed is replaced', async () => {
  const { counts, kept } = fakeKafka()
  await kept.start()
  await Promise.all([kept.ask(async () => 1), kept.ask(async () => 2)])
  expect(counts).toEqual({ opened: 1, closed: 0 })
  await expect(kept.ask(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(await kept.ask(async () => 3)).toBe(3)
  expect(counts).toEqual({ opened: 2, closed: 1 })
  await kept.stop()
  expect(counts).toEqual({ opened: 2, closed: 2 })
})

test('who asks after the stop is refused, and opens no connection that nobody would close', async () => {
  const { counts, kept } = fakeKafka()
  await kept.start()
  await kept.stop()
  await expect(kept.ask(async () => 1)).rejects.toMatchObject({ code: 'KAFKA_STOPPED' })
  expect(counts.opened).toBe(0)
})

test('a stop while it connects closes what comes of it', async () => {
  const connected = Promise.withResolvers<void>()
  const { counts, kept } = fakeKafka(() => connected.promise)
  await kept.start()
  const asking = kept.ask(async () => 1)
  const stopping = kept.stop()
  connected.resolve()
  await Promise.all([asking, stopping])
  expect(counts).toEqual({ opened: 1, closed: 1 })
})

test('a stop lets what is in flight end before it disconnects', async () => {
  const { counts, kept } = fakeKafka()
  await kept.start()
  const answer = Promise.withResolvers<void>()
  let closedBefore = -1
  const asking = kept.ask(async () => {
    await answer.promise
    closedBefore = counts.closed
  })
  await new Promise(setImmediate)
  const stopping = kept.stop()
  await new Promise(setImmediate)
  answer.resolve()
  await Promise.all([asking, stopping])
  expect([closedBefore, counts.closed]).toEqual([0, 1])
})

test('a question that cannot connect rejects, and the next one connects anew', async () => {
  let connects = 0
  const { kept } = fakeKafka(async () => {
    connects += 1
    if (connects === 1) throw new Error('no broker')
  })
  await kept.start()
  await expect(kept.ask(async () => 1)).rejects.toThrow('no broker')
  expect([await kept.ask(async () => 2), connects]).toEqual([2, 2])
})
