import { expect, jest, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { AnsweringStreams } from '#promotion/upkeep/answering-streams.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'

const promotionOf = (id: string) => ({ id, type: 'POINT' }) as Promotion
const [ONE, TWO] = [promotionOf('1'), promotionOf('2')]
const streams = promotionStreams('')
const keyOf = ({ id }: Promotion) => streams.POINT.streamKey(id)

/** Streams that answer as they are told to: `undefined` never does. */
function create(answers: ReadonlyMap<string, Promise<number>>) {
  const asked: string[] = []
  const room = (streamKey: string) => {
    asked.push(streamKey)
    return answers.get(streamKey) ?? new Promise<never>(() => undefined)
  }
  return { answering: new AnsweringStreams({ producer: { room }, streams }), asked }
}

test('a stream that answers, be it that it is full or a refusal, has its turn, in the order they were given', async () => {
  const answers = new Map([
    [keyOf(ONE), Promise.resolve(0)],
    [keyOf(TWO), Promise.reject(new Error('WRONGTYPE'))],
  ])
  const { answering, asked } = create(answers)
  expect(await answering.of([TWO, ONE])).toEqual([TWO, ONE])
  expect(await answering.of([ONE, TWO])).toEqual([ONE, TWO])
  expect(asked).toHaveLength(4)
  expect(await answering.of([])).toEqual([])
})

test('one that does not answer is left out, not asked again while it owes its answer, and comes back with it', async () => {
  jest.useFakeTimers()
  try {
    const late = Promise.withResolvers<number>()
    const answers = new Map([
      [keyOf(ONE), late.promise],
      [keyOf(TWO), Promise.resolve(5)],
    ])
    const { answering, asked } = create(answers)
    const first = answering.of([ONE, TWO])
    let isOver = false
    void first.then(() => {
      isOver = true
    })
    await jest.advanceTimersByTimeAsync(499)
    expect(isOver).toBe(false)
    await jest.advanceTimersByTimeAsync(1)
    expect(await first).toEqual([TWO])
    expect(await answering.of([ONE, TWO])).toEqual([TWO])
    expect(asked.filter(key => key === keyOf(ONE))).toHaveLength(1)
    late.resolve(1)
    await jest.advanceTimersByTimeAsync(0)
    expect(await answering.of([ONE, TWO])).toEqual([ONE, TWO])
  } finally {
    jest.useRealTimers()
  }
})
