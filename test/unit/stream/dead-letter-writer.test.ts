import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { DeadLetterWriter } from '#stream/dead-letter-writer.ts'
import type { ResolvedLetterBounds } from '#stream/letter-bounds.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

const HOUR_MS = 3_600_000
const ENTRY = { id: '7-0', stream: 's', fields: { a: 'now' }, deliveries: 3 }
const LABELS = ['_id', '7-0', '_stream', 's', '_reason', 'why', '_deliveries', '3']

let rig: MemoryRig
let dropped: number[]
let errors: unknown[]
beforeEach(async () => {
  rig = await memoryRig()
  ;[dropped, errors] = [[], []]
})
afterEach(() => rig.connection.close())

function writerOf(bounds: Partial<ResolvedLetterBounds> = {}): DeadLetterWriter {
  return new DeadLetterWriter({
    connection: rig.connection,
    deadLetterStream: 'letters',
    bounds: { count: Number.POSITIVE_INFINITY, ageSeconds: undefined, ...bounds },
    onDropped: count => void dropped.push(count),
    onError: error => void errors.push(error),
  })
}

const letters = () => (rig.ask('XRANGE', 'letters', '-', '+') as [string, string[]][]).map(([, fields]) => fields)
const trims = () => rig.sent.filter(([name]) => name === 'streamTrimLetters').map(command => command.slice(1))

describe('a letter', () => {
  test('has the fields that lie on the stream, whatever became of the copy', async () => {
    rig.ask('XADD', 's', '7-0', 'a', 'then', 'a', 'again')
    await writerOf().write(ENTRY, 'why')
    expect(letters()).toEqual([['a', 'then', 'a', 'again', ...LABELS]])
  })

  test('has those of the copy where the entry was deleted, as text that can be written', async () => {
    rig.ask('XADD', 's', '7-1', 'a', 'other')
    await writerOf().write({ ...ENTRY, fields: { a: 'now', b: 7 as never, c: '\ud800' } }, 'why')
    expect(letters()).toEqual([['a', 'now', 'b', '7', 'c', '\ufffd', ...LABELS]])
  })

  test.each(['XRANGE', 'XADD'])('that cannot be written may be tried again (%s)', async failing => {
    const cause = new Error('Command timed out')
    rig.fateOf = ([name]) => (name === failing ? cause : undefined)
    await expect(writerOf({ count: 1 }).write(ENTRY, 'why')).rejects.toMatchObject({
      code: 'STREAM_ADD_FAILED',
      message: 'XADD to letters failed: Command timed out',
      canRetry: true,
      cause,
    })
    expect([trims(), errors]).toEqual([[], []])
  })
})

describe('bounds', () => {
  test('that are none ask for nothing', async () => {
    await writerOf().write(ENTRY, 'why')
    expect([trims(), dropped]).toEqual([[], []])
  })

  test('of a count drop the oldest with each new one, and tell how many', async () => {
    const writer = writerOf({ count: 2 })
    await writer.write(ENTRY, 'one')
    await writer.write(ENTRY, 'two')
    expect(dropped).toEqual([])
    await writer.write(ENTRY, 'three')
    expect(dropped).toEqual([1])
    expect(letters().map(fields => fields.at(-3))).toEqual(['two', 'three'])
    expect(trims()[0]).toEqual(['letters', '2', '', '0', '500'])
  })

  test('of an age drop what is older than that by the server’s clock', async () => {
    const nowMs = Date.now()
    rig.ask('XADD', 'letters', `${nowMs - 61_000}-0`, 'a', 'old')
    rig.ask('XADD', 'letters', `${nowMs - 30_000}-0`, 'a', 'young')
    await writerOf({ ageSeconds: 60 }).write(ENTRY, 'why')
    expect([letters().map(([, value]) => value), dropped]).toEqual([['young', 'now'], [1]])
    const [newest] = (rig.ask('XREVRANGE', 'letters', '+', '-', 'COUNT', 1) as [string][]).map(([id]) =>
      Number.parseInt(id, 10),
    )
    expect(trims()).toEqual([['letters', '-1', `${newest! - 60_000}-0`, '60', '500']])
  })

  test('of both go together, and never before the beginning of time', async () => {
    await writerOf({ count: 5, ageSeconds: 1e12 }).write(ENTRY, 'why')
    expect(trims()).toEqual([['letters', '5', '0-0', '1000000000000', '500']])
  })

  test('that could not be kept are told, and the letter is written all the same', async () => {
    const error = new Error('Command timed out')
    rig.fateOf = ([name]) => (name === 'streamTrimLetters' ? error : undefined)
    await writerOf({ count: 1 }).write(ENTRY, 'why')
    expect([letters().length, errors, dropped]).toEqual([1, [error], []])
  })
})

describe('old letters', () => {
  test('are looked for at once and then every hour', async () => {
    const writer = writerOf({ ageSeconds: 60 })
    rig.ask('XADD', 'letters', '1-0', 'a', 'old')
    expect(writer.isTrimDue(0)).toBe(true)
    await writer.trimOld(0)
    expect([dropped, writer.isTrimDue(HOUR_MS - 1), writer.isTrimDue(HOUR_MS)]).toEqual([[1], false, true])
    await writer.trimOld(HOUR_MS - 1)
    expect(trims()).toHaveLength(1)
    await writer.trimOld(HOUR_MS)
    expect(trims()).toHaveLength(2)
  })

  test('are not where they have no age', async () => {
    const writer = writerOf({ count: 1 })
    expect(writer.isTrimDue(HOUR_MS)).toBe(false)
    await writer.trimOld(HOUR_MS)
    expect(trims()).toEqual([])
  })
})
