import { describe, expect, test } from '@jest/globals'
import type { InsertOutcome, NewGift } from '#database/gifts/gift.ts'
import { createProcessorHarness, ORIGIN } from '#test/support/processor-harness.ts'

/** A listener's processor that counts the places it was given on the stream and has not given back. */
function create({ streamEnabled = true, room = true } = {}) {
  const harness = createProcessorHarness('VOUCHER', { streamEnabled })
  const places: string[] = []
  const wanted: NewGift[] = []
  Object.assign(harness.deps.streamProducer, {
    admit: async (streamKey: string) => {
      if (room) places.push(streamKey)
      return room
    },
    release: (streamKey: string) => {
      if (!places.includes(streamKey)) throw new Error(`no place on ${streamKey} was given`)
      places.splice(places.indexOf(streamKey), 1)
    },
  })
  const { VOUCHER } = harness.deps.results
  const insert = VOUCHER.insert.bind(VOUCHER)
  VOUCHER.insert = gift => {
    wanted.push(gift)
    return insert(gift)
  }
  const take = () => harness.processor.processTopicMessage(harness.json(), { ...ORIGIN, timestampMs: 123 })
  return { harness, places, wanted, take }
}

describe('a place on the stream', () => {
  test('is kept for a gift that gets its entry, and is asked for on its promotion’s stream', async () => {
    const { harness, places, take } = create()
    await take()
    expect(places).toEqual([harness.deps.streams.VOUCHER.streamKey('1')])
  })

  test.each<InsertOutcome>([
    { kind: 'duplicate' },
    { kind: 'target-conflict' },
    { kind: 'skipped', reason: 'promotion-completed' },
    { kind: 'inserted', promotionStatus: 'PAUSED', enqueued: false },
  ])('is given back for a gift that gets none: %j', async outcome => {
    const { harness, places, take } = create()
    harness.answer.insert = outcome
    await take()
    expect([places, harness.calls.includes('enqueue')]).toEqual([[], false])
  })

  test.each([
    ['is away', '57P01'],
    ['refuses the row', '22003'],
  ])('is given back when the database %s', async (_name, code) => {
    const { harness, places, take } = create()
    harness.fail.set('insert', Object.assign(new Error('not inserted'), { code }))
    await take().catch(() => undefined)
    expect(places).toEqual([])
  })

  test('that was not given is not given back', async () => {
    const { harness, places, wanted, take } = create({ room: false })
    expect(await take()).toBe('inserted')
    harness.answer.insert = { kind: 'duplicate' }
    expect(await take()).toBe('duplicate')
    expect([places, wanted.map(({ wantsEntry }) => wantsEntry)]).toEqual([[], [false, false]])
  })

  test('is nothing that a listener needs which pays by itself', async () => {
    const { harness, places, wanted, take } = create({ streamEnabled: false })
    harness.answer.insert = { kind: 'duplicate' }
    expect(await take()).toBe('duplicate')
    expect([places, wanted[0]?.wantsEntry]).toEqual([[], true])
  })
})

test('a row says what its message said, and where and when it stood in Kafka', async () => {
  const { harness, wanted, take } = create()
  await take()
  await harness.processor.processTopicMessage(harness.json(), ORIGIN)
  expect(wanted).toEqual([
    {
      ...{
        promotionId: '1',
        promotionSummaryId: '2',
        targetId: '100',
        partitionKey: 'k',
        memberId: '5',
        amount: '1000',
      },
      ...{ message: harness.json(), kafkaPartition: 1, kafkaOffset: '7', kafkaTimeMs: 123, wantsEntry: true },
    },
    expect.objectContaining({ kafkaTimeMs: null }),
  ])
})

test('a message that is to be skipped is not done before that is written down', async () => {
  const { harness, take } = create()
  harness.answer.insert = { kind: 'skipped', reason: 'promotion-completed' }
  harness.fail.set('skip', new Error('database is away'))
  await expect(take()).rejects.toThrow('database is away')
  harness.fail.clear()
  expect(await take()).toBe('skipped')
  expect(harness.skipped).toEqual([
    {
      ...{ topic: 'gifts', partition: 1, offset: '7', promotionId: '1', targetId: '100' },
      ...{ reason: 'promotion-completed', message: harness.json() },
    },
  ])
})
