import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { PaidKeyWord } from '#money/belief.ts'
import type { HttpAnswer } from '#money/charge.ts'
import { OutageProbe } from '#money/outage-probe.ts'

beforeEach(() => {
  jest.useFakeTimers()
  jest.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

/** A probe that hears these words, one after the other, the last one for ever. */
function probeOf(words: readonly PaidKeyWord[], last?: HttpAnswer) {
  const told = { asked: 0, back: 0 }
  const probe = new OutageProbe({
    askPaid: async () => words[Math.min(told.asked++, words.length - 1)] as PaidKeyWord,
    askLast: async () => last,
    onBack: () => void told.back++,
  })
  return { probe, told }
}

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms)
const reply = (status: number): HttpAnswer => ({
  kind: 'reply',
  status,
  body: '{"transactionKey":"t"}',
  retryAfter: undefined,
})

test('one GET a second asks for a paid key, until one is known again', async () => {
  const { probe, told } = probeOf(['nothing', 'nothing', 'paid'])
  probe.opened()
  await pass(999)
  expect(told).toEqual({ asked: 0, back: 0 })
  await pass(1)
  expect(told).toEqual({ asked: 1, back: 0 })
})

test('each time the POSTs fail again it waits twice as long, five seconds at most, and after a close one again', async () => {
  const { probe, told } = probeOf(['paid'])
  for (const pauseMs of [1000, 2000, 4000, 5000, 5000]) {
    probe.opened()
    await pass(pauseMs - 1)
    const before = told.asked
    await pass(1)
    expect([pauseMs, told.asked - before]).toEqual([pauseMs, 1])
  }
  expect(told.back).toBe(5)
  probe.closed()
  probe.opened()
  await pass(1000)
  expect(told.asked).toBe(6)
})

test('a paid key that is missing is no end, but for each fifth time: a restored Money API may have lost it', async () => {
  const { probe, told } = probeOf(['missing'])
  probe.opened()
  await pass(1000)
  for (const back of [0, 0, 0, 1]) {
    await pass(2000)
    expect(told.back).toBe(back)
  }
  expect(told.asked).toBe(5)
})

test.each([
  ['a 404', reply(404), 1],
  ['a 200', reply(200), 1],
  ['a 503', reply(503), 0],
  ['no call', undefined, 0],
])('without a paid key the last gift’s is asked for: %s', async (_, last, back) => {
  const { probe, told } = probeOf(['no-key'], last)
  probe.opened()
  await pass(1000)
  expect(told).toEqual({ asked: 1, back })
})

test('one that is stopped asks no more, and is not begun again', async () => {
  const { probe, told } = probeOf(['nothing'])
  probe.opened()
  probe.stop()
  await pass(60_000)
  probe.opened()
  await pass(60_000)
  expect(told.asked).toBe(0)
})

test('one that is stopped while it asks asks no more', async () => {
  const heard = Promise.withResolvers<PaidKeyWord>()
  let asked = 0
  const probe = new OutageProbe({
    askPaid: () => {
      asked++
      return heard.promise
    },
    askLast: async () => undefined,
    onBack: () => undefined,
  })
  probe.opened()
  await pass(1000)
  probe.stop()
  heard.resolve('nothing')
  await pass(60_000)
  expect(asked).toBe(1)
})

test('where the paid key’s GET is not answered, the last gift’s is not asked for', async () => {
  const { probe, told } = probeOf(['nothing'], reply(404))
  probe.opened()
  await pass(1000)
  expect(told).toEqual({ asked: 1, back: 0 })
})

test('keys that were missing before it was over do not count in the next outage', async () => {
  const { probe, told } = probeOf(['missing'])
  probe.opened()
  await pass(1000 + 3 * 2000)
  expect(told).toEqual({ asked: 4, back: 0 })
  probe.closed()
  probe.opened()
  await pass(1000)
  expect(told).toEqual({ asked: 5, back: 0 })
})

test('opened again before it has asked, it asks once, after the longer pause', async () => {
  const { probe, told } = probeOf(['paid'])
  probe.opened()
  probe.opened()
  await pass(1999)
  expect(told.asked).toBe(0)
  await pass(1)
  expect(told.asked).toBe(1)
})

test('instances that saw it go down together do not ask together: up to a fifth later', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(1)
  const { probe, told } = probeOf(['nothing'])
  probe.opened()
  await pass(1199)
  expect(told.asked).toBe(0)
  await pass(1)
  expect(told.asked).toBe(1)
})
