import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
import { StreamQueue } from '#stream/index.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

const LETTERS = 's:dead-letter'

let rig: MemoryRig
let queue: StreamQueue<number>
beforeEach(async () => {
  rig = await memoryRig()
  queue = new StreamQueue('s', { connection: rig.connection })
})
afterEach(() => rig.connection.close())

/** A letter of the queue's, of so many names and values. */
function letter(id: string, texts = 2): string {
  const more = Array.from({ length: texts - 2 }, (_, index) => (index % 2 === 0 ? `f${index}` : 'x'))
  const labels = ['_id', '7-0', '_stream', 's', '_reason', 'no', '_deliveries', '1']
  return rig.ask('XADD', LETTERS, id, 'n', id, ...more, ...labels) as string
}

/** Letters `1-0`, `2-0` and so on. */
function letters(count: number): string[] {
  return Array.from({ length: count }, (_, index) => letter(`${index + 1}-0`))
}

const left = () => (rig.ask('XRANGE', LETTERS, '-', '+') as [string][]).map(([id]) => id)
/** Which letters' entries are on the stream, by their field `n`. */
const back = () => (rig.ask('XRANGE', 's', '-', '+') as [string, string[]][]).map(([, [, n]]) => n)
const sizesOf = (name: string, texts: number) =>
  rig.sent.filter(([each]) => each === name).map(({ length }) => length - texts)
const meanwhile = (name: string, run: () => unknown) => {
  rig.fateOf = ([each]) => {
    if (each === name) run()
    return undefined
  }
}

describe('a replay', () => {
  test('of ids brings each back once, and tells which are not there', async () => {
    letters(3)
    const result = await queue.replay(['2-0', '9-9', '1-0', '2-0'])
    const [first, second] = (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
    expect(result).toEqual({
      replayed: [
        { id: '2-0', entryId: first },
        { id: '1-0', entryId: second },
      ],
      missing: ['9-9'],
      uncertain: [],
    })
    expect([back(), left()]).toEqual([['2-0', '1-0'], ['3-0']])
  })

  test('of one id, or of all', async () => {
    letters(3)
    await queue.replay('2-0')
    expect(back()).toEqual(['2-0'])
    await queue.replay({})
    expect([back(), left()]).toEqual([['2-0', '1-0', '3-0'], []])
  })

  test('takes a hundred at a time, and no more than the stream ever has room for', async () => {
    const ids = letters(250)
    await queue.replay(ids.slice(0, 120))
    await queue.replay({})
    expect(sizesOf('streamReplayLetters', 4)).toEqual([100, 20, 100, 30])
    expect(back()).toEqual(ids)
    rig.ask('DEL', 's')
    rig.sent.length = 0
    for (const id of ['251-0', '252-0', '253-0']) letter(id)
    const small = new StreamQueue('s', {
      connection: rig.connection,
      highWaterMark: { length: 2, onFull: 'refuse' },
    })
    await expect(small.replay({})).rejects.toThrow()
    expect(sizesOf('streamReplayLetters', 4)).toEqual([2])
  })

  test.each([['5-4'], ['6-0'], ['10-0']])('means what is there now, not %s that comes meanwhile', async late => {
    for (const id of ['1-0', '5-2', '5-3']) letter(id)
    meanwhile('XRANGE', () => left().length === 3 && letter(late))
    await queue.replay({})
    expect([back(), left()]).toEqual([['1-0', '5-2', '5-3'], [late]])
  })

  test('reads no page behind what has come meanwhile', async () => {
    letters(999)
    meanwhile('XRANGE', () => left().length === 999 && letter('5000-0'))
    await queue.replay({})
    expect(rig.sent.filter(([name]) => name === 'XRANGE')).toHaveLength(1)
  })

  test('tells as missing what somebody else was quicker with', async () => {
    letters(2)
    meanwhile('streamReplayLetters', () => rig.ask('XDEL', LETTERS, '1-0'))
    expect(await queue.replay({})).toMatchObject({ replayed: [{ id: '2-0' }], missing: ['1-0'] })
  })

  test('that the server refuses halfway tells what is back', async () => {
    letters(3)
    const execute = rig.server.execute.bind(rig.server)
    rig.server.execute = command =>
      command[0] === 'streamReplayLetters' ? { reply: [['8-0'], 'OOM no room'] } : execute(command)
    await expect(queue.replay({})).rejects.toMatchObject({
      code: 'STREAM_ADD_FAILED',
      message: 'replay to s failed: OOM no room',
      added: ['8-0'],
      isUncertain: false,
    })
  })

  test.each<[what: string, fate: Error, isUncertain: boolean]>([
    ['is refused as a whole is certain', new ReplyError('CROSSSLOT no'), false],
    ['has no answer is not', new Error('Command timed out'), true],
  ])('that %s', async (_, fate, isUncertain) => {
    letters(1)
    rig.fateOf = ([name]) => (name === 'streamReplayLetters' ? fate : undefined)
    await expect(queue.replay({})).rejects.toMatchObject({
      code: 'STREAM_ADD_FAILED',
      message: `replay to s failed: ${fate.message}`,
      added: [],
      isUncertain,
    })
  })

  test('that finds the stream full tells what came before', async () => {
    letters(3)
    const small = new StreamQueue('s', { connection: rig.connection, highWaterMark: { length: 2, onFull: 'refuse' } })
    const failure = small.replay({})
    const full = { code: 'STREAM_FULL', isUncertain: false }
    const message = 'replay to s failed: s has no room for 1 more below 2'
    await expect(failure).rejects.toMatchObject({ ...full, message })
    const ids = (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
    await expect(failure).rejects.toMatchObject({ added: ids })
    expect([back(), left()]).toEqual([['1-0', '2-0'], ['3-0']])
    await expect(small.replay({})).rejects.toMatchObject({ ...full, added: [], canRetry: true })
  })

  test.each([
    ['in one step', 2],
    ['in steps', 4002],
  ])('that does not learn whether there is room tells what came before (%s)', async (_, texts) => {
    for (const id of ['1-0', '2-0', '3-0']) letter(id, texts)
    const small = new StreamQueue('s', { connection: rig.connection, highWaterMark: { length: 2, onFull: 'wait' } })
    rig.fateOf = ([name]) => (name === 'xlen' && back().length === 2 ? new Error('Command timed out') : undefined)
    const failure = small.replay({})
    await expect(failure).rejects.toMatchObject({
      code: 'STREAM_ADD_FAILED',
      message: 'replay to s failed: XADD to s failed: Command timed out',
      isUncertain: false,
      canRetry: false,
    })
    const ids = (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
    await expect(failure).rejects.toMatchObject({ added: ids })
    expect(left()).toEqual(['3-0'])
  })

  test.each([
    ['set', 1],
    ['xrange', 1],
    ['xdel', 2],
    ['del', 2],
  ])('in steps whose %s of the second letter has no answer tells what is back (%d)', async (command, count) => {
    for (const id of ['1-0', '2-0', '3-0']) letter(id, 4002)
    let asked = 0
    rig.fateOf = ([name, key = '']) => {
      // Letters are looked up by XRANGE as well, but by the page.
      const isStep = name === command && (name !== 'xrange' || key === LETTERS)
      return isStep && ++asked === 2 ? new Error('Command timed out') : undefined
    }
    const failure = queue.replay({})
    const message = 'replay to s failed: Command timed out'
    await expect(failure).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', message, isUncertain: false })
    const ids = (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
    expect(ids).toHaveLength(count)
    await expect(failure).rejects.toMatchObject({ added: ids })
  })

  test('whose letters cannot be read rejects with why', async () => {
    const error = new Error('Command timed out')
    rig.fateOf = () => error
    await expect(queue.replay('1-0')).rejects.toBe(error)
  })
})

describe('a letter that no script can hand on', () => {
  const MARK = `${LETTERS}:replay:1-0`
  const stepsOf = () => rig.sent.map(([name]) => name).filter(name => name !== 'XRANGE')

  test('goes back in steps, marked meanwhile; one of four thousand texts in one', async () => {
    letter('1-0', 4002)
    letter('2-0', 4000)
    expect(await queue.replay({})).toMatchObject({
      replayed: [{ id: '2-0' }, { id: '1-0' }],
      missing: [],
      uncertain: [],
    })
    expect(stepsOf()).toEqual(['xrevrange', 'streamReplayLetters', 'set', 'xrange', 'XADD', 'xdel', 'del'])
    expect([left(), rig.ask('EXISTS', MARK)]).toEqual([[], 0])
    const year = 366 * 24 * 3_600_000
    expect(rig.sent.find(([name]) => name === 'set')).toEqual(['set', MARK, '1', 'PX', String(year), 'NX'])
  })

  test('is added again only by who says so, where nobody knows whether it was', async () => {
    letter('1-0', 4002)
    rig.fateOf = ([name]) => (name === 'XADD' ? 'unheard' : undefined)
    await expect(queue.replay({})).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', isUncertain: true })
    rig.fateOf = () => undefined
    expect(await queue.replay({})).toEqual({ replayed: [], missing: [], uncertain: ['1-0'] })
    expect([back(), left()]).toEqual([['1-0'], ['1-0']])
    expect(await queue.replay({}, { again: true })).toMatchObject({ replayed: [{ id: '1-0' }], uncertain: [] })
    expect([back(), left(), rig.ask('EXISTS', MARK)]).toEqual([['1-0', '1-0'], [], 0])
  })

  test('is not marked any more when the server has refused it', async () => {
    letter('1-0', 4002)
    rig.fateOf = ([name]) => (name === 'XADD' ? new ReplyError('OOM') : undefined)
    await expect(queue.replay({})).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', isUncertain: false })
    expect([left(), rig.ask('EXISTS', MARK)]).toEqual([['1-0'], 0])
  })

  test('nor when there was no room for it', async () => {
    letter('1-0', 4002)
    rig.ask('XADD', 's', '*', 'n', '0')
    const small = new StreamQueue('s', { connection: rig.connection, highWaterMark: { length: 1, onFull: 'refuse' } })
    await expect(small.replay({})).rejects.toMatchObject({ code: 'STREAM_FULL', isUncertain: false, added: [] })
    expect([left(), rig.ask('EXISTS', MARK)]).toEqual([['1-0'], 0])
  })

  test('is missing, and not marked, when somebody else was through with it before the mark', async () => {
    letter('1-0', 4002)
    meanwhile('set', () => rig.ask('XDEL', LETTERS, '1-0'))
    expect(await queue.replay({})).toEqual({ replayed: [], missing: ['1-0'], uncertain: [] })
    expect([back(), rig.ask('EXISTS', MARK)]).toEqual([[], 0])
  })
})

describe('in a cluster', () => {
  beforeEach(() => void Object.defineProperty(rig.connection, 'isCluster', { value: true }))

  test('where the streams lie apart, letters go back in steps', async () => {
    letters(1)
    await queue.replay({})
    expect([back(), sizesOf('streamReplayLetters', 4)]).toEqual([['1-0'], []])
  })

  test('where they lie together, in one', async () => {
    const deadLetterStream = '{s}:letters'
    const together = new StreamQueue('s', { connection: rig.connection, deadLetterStream })
    letters(1)
    const [[, fields]] = rig.ask('XRANGE', LETTERS, '-', '+') as [[string, string[]]]
    rig.ask('XADD', deadLetterStream, '1-0', ...fields)
    await together.replay({})
    expect([back(), sizesOf('streamReplayLetters', 4)]).toEqual([['1-0'], [1]])
  })

  test('each mark goes by itself when its letter is discarded', async () => {
    letters(2)
    expect(await queue.discard({})).toEqual({ discarded: 2, missing: [] })
    expect(sizesOf('del', 1)).toEqual([1, 1])
  })
})

describe('a discard', () => {
  test('deletes what is asked for, with its mark, and tells which are not there', async () => {
    letters(3)
    rig.ask('SET', `${LETTERS}:replay:2-0`, '1')
    expect(await queue.discard(['2-0', '9-9'])).toEqual({ discarded: 1, missing: ['9-9'] })
    expect([left(), rig.ask('EXISTS', `${LETTERS}:replay:2-0`)]).toEqual([['1-0', '3-0'], 0])
    expect(await queue.discard({ reason: 'no' })).toEqual({ discarded: 2, missing: [] })
    expect([left(), back()]).toEqual([[], []])
  })

  test('of what is not there deletes nothing', async () => {
    expect(await queue.discard('9-9')).toEqual({ discarded: 0, missing: ['9-9'] })
    expect(rig.sent.map(([name]) => name)).toEqual(['XRANGE'])
  })

  test('takes a hundred at a time', async () => {
    letters(130)
    await queue.discard({})
    expect([sizesOf('xdel', 2), sizesOf('del', 1)]).toEqual([
      [100, 30],
      [100, 30],
    ])
  })

  test('of words that say nothing is refused', async () => {
    letters(1)
    await expect(queue.discard({ reason: undefined } as never)).rejects.toThrow(TypeError)
    await expect(queue.discard({ reason: 7 } as never)).rejects.toThrow(/^reason must /)
    expect(left()).toEqual(['1-0'])
  })
})
