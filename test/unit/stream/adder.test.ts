import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
import { Adder, type AdderOptions } from '#stream/adder.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

let rig: MemoryRig
beforeEach(async () => {
  // A length that was read stays fresh for as long as a test says.
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
  rig = await memoryRig()
})
afterEach(async () => {
  await rig.connection.close()
  jest.useRealTimers()
})

const OOM = new ReplyError("OOM command not allowed when used memory > 'maxmemory'.")
const FULL = { code: 'STREAM_FULL', isUncertain: false }

const adderOf = (options: Omit<AdderOptions, 'connection'> = {}) =>
  new Adder('s', { connection: rig.connection, ...options })
const bounded = (length: number) => adderOf({ highWaterMark: { length, onFull: 'refuse' } })

function entries(count: number): Record<string, string>[] {
  return Array.from({ length: count }, (_, index) => ({ n: String(index) }))
}

/** One of so many names and values. */
function ofTexts(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count / 2 }, (_, index) => [`f${index}`, 'x']))
}

/** How many entries each command carried that adds some. */
function added(): number[] {
  return rig.sent
    .filter(([name]) => name === 'XADD' || name === 'streamAddBulk')
    .map(([name, , , ...rest]) => (name === 'XADD' ? 1 : entriesIn(rest)))
}

/** In a script's arguments each entry stands behind the number of its texts. */
function entriesIn([count, ...rest]: readonly string[]): number {
  return count === undefined ? 0 : 1 + entriesIn(rest.slice(Number(count)))
}

/** Lets this command through `times` times, and then this becomes of it. */
function failing(name: string, fate: Error | 'unheard', times = 0): void {
  let left = times
  rig.fateOf = ([each]) => (each === name && left-- <= 0 ? fate : undefined)
}

describe('what is added', () => {
  test('comes back as an id; several keep their order', async () => {
    const id = await adderOf().add({ a: '1', b: '2' })
    const ids = await adderOf().addBulk(entries(3))
    expect(rig.ask('XRANGE', 's', '-', '+')).toEqual([
      [id, ['a', '1', 'b', '2']],
      ...ids.map((each, index) => [each, ['n', String(index)]]),
    ])
  })

  test('waits for a connection that is not there yet', async () => {
    await using fresh = await memoryRig({ isConnected: false })
    await new Adder('s', { connection: fresh.connection }).add({ a: '1' })
    expect(fresh.ask('XLEN', 's')).toBe(1)
  })

  test('is looked at as a whole before the first is sent', async () => {
    await expect(adderOf().addBulk([{ a: '1' }, {}])).rejects.toThrow('entry 1 has no field')
    await expect(adderOf().addBulk({ a: '1' } as never)).rejects.toThrow(new TypeError('entries must be an array'))
    expect(rig.sent).toEqual([])
  })

  test('when it is nothing, asks for no connection', async () => {
    await using fresh = await memoryRig({ isConnected: false })
    expect(await new Adder('s', { connection: fresh.connection }).addBulk([])).toEqual([])
    expect(fresh.connection.state).toBe('wait')
  })

  test('keeps the stream near its length, where that is bounded', async () => {
    await adderOf({ maxLen: 7 }).add({ a: '1' })
    await adderOf({ maxLen: 7 }).addBulk(entries(2))
    await adderOf().add({ a: '1' })
    await adderOf().addBulk(entries(2))
    expect(rig.sent.map(command => command.slice(2, command[0] === 'XADD' ? 6 : 3))).toEqual([
      ['MAXLEN', '~', '7', '*'],
      ['7'],
      ['*', 'a', '1'],
      ['0'],
    ])
  })
})

describe('one command carries', () => {
  const wide = (units: number) => ({ n: 'x'.repeat(units - 1) })

  test.each<[what: string, list: Record<string, string>[], carried: number[]]>([
    ['five hundred entries', entries(500), [500]],
    ['and no more', entries(501), [500, 1]],
    ['five thousand texts', [ofTexts(2500), ofTexts(2500), ofTexts(2)], [2, 1]],
    ['and not two more', [ofTexts(2500), ofTexts(2502), ofTexts(2)], [1, 2]],
    ['an entry of more texts alone, the first too', [ofTexts(6000), ofTexts(2), ofTexts(6000)], [1, 1, 1]],
    ['2^20 units of text', [wide(2 ** 19), wide(2 ** 19), wide(5)], [2, 1]],
    ['and not one more', [wide(2 ** 19), wide(2 ** 19 + 1), wide(5)], [1, 2]],
  ])('%s', async (_, list, carried) => {
    expect(await adderOf().addBulk(list)).toHaveLength(list.length)
    expect([added(), rig.ask('XLEN', 's')]).toEqual([carried, list.length])
  })
})

describe('what failed', () => {
  test.each<[what: string, fate: Error, isUncertain: boolean]>([
    ['was refused, and is not there', OOM, false],
    [
      'never left, and is not there',
      new Error("Stream isn't writeable and enableOfflineQueue options is false"),
      false,
    ],
    ['had no answer, and nobody knows', new Error('Command timed out'), true],
  ])('%s', async (_, fate, isUncertain) => {
    rig.fateOf = () => fate
    const failure = { code: 'STREAM_ADD_FAILED', added: [], isUncertain, canRetry: !isUncertain, cause: fate }
    const message = `XADD to s failed: ${fate.message}`
    await expect(adderOf().add({ a: '1' })).rejects.toMatchObject({ ...failure, message })
    await expect(adderOf().addBulk(entries(2))).rejects.toMatchObject({ ...failure, message })
  })

  test('behind the first portion tells what that one added', async () => {
    failing('streamAddBulk', OOM, 1)
    const failure = adderOf().addBulk(entries(502))
    await expect(failure).rejects.toMatchObject({ isUncertain: false, canRetry: false })
    const ids = (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
    await expect(failure).rejects.toMatchObject({ added: ids })
    expect(ids).toHaveLength(500)
  })

  test('in the middle of a command tells what was added before', async () => {
    const add = rig.server.execute.bind(rig.server)
    rig.server.execute = command =>
      command[0] === 'streamAddBulk' ? { reply: [['1-0', '2-0'], OOM.message] } : add(command)
    await expect(adderOf().addBulk(entries(3))).rejects.toMatchObject({
      message: `XADD to s failed: ${OOM.message}`,
      added: ['1-0', '2-0'],
      isUncertain: false,
    })
  })

  test('for a connection that was lost between two commands was not sent', async () => {
    rig.fateOf = () => queueMicrotask(() => rig.server.cutConnections()) as undefined
    await expect(adderOf().addBulk(entries(501))).rejects.toMatchObject({
      message: 'XADD to s failed: the connection is lost',
      added: { length: 500 },
      isUncertain: false,
    })
    expect(added()).toEqual([500])
  })
})

describe('below a high-water mark', () => {
  test('at most so many are let in at once; without one, five hundred', () => {
    expect([bounded(7).largestBulk, adderOf().largestBulk]).toEqual([7, 500])
  })

  test('what does not fit is refused, and nothing of it added', async () => {
    const adder = bounded(3)
    await adder.addBulk(entries(2))
    await expect(adder.addBulk(entries(2))).rejects.toMatchObject({ ...FULL, added: [], canRetry: true })
    await expect(adder.addBulk(entries(2))).rejects.toThrow('s has no room for 2 more below 3')
    await adder.add({ a: '1' })
    expect(rig.ask('XLEN', 's')).toBe(3)
  })

  test('what fits as a whole goes as one', async () => {
    await bounded(3).addBulk(entries(3))
    expect(added()).toEqual([3])
  })

  test('what never fits at once goes by portions, and tells how far it came', async () => {
    await expect(bounded(3).addBulk(entries(4))).rejects.toMatchObject({
      ...FULL,
      added: { length: 3 },
      canRetry: false,
    })
    expect(added()).toEqual([3])
    await expect(bounded(600).addBulk(entries(601))).rejects.toMatchObject({ ...FULL, added: { length: 500 } })
  })

  test('each portion goes when there is room for it', async () => {
    rig.fateOf = ([name]) => {
      // By the next look all of them were worked off.
      if (name === 'xlen') rig.ask('DEL', 's')
      else jest.advanceTimersByTime(50)
      return undefined
    }
    expect(await bounded(3).addBulk(entries(6))).toHaveLength(6)
    expect(added()).toEqual([3, 3])
  })

  test('a portion that was refused leaves its places to others', async () => {
    const adder = bounded(1000)
    failing('streamAddBulk', OOM, 1)
    await expect(adder.addBulk(entries(1001))).rejects.toMatchObject({ added: { length: 500 }, isUncertain: false })
    rig.fateOf = () => undefined
    expect(await adder.addBulk(entries(500))).toHaveLength(500)
  })

  test('what fits below it, but not now, is not added in part', async () => {
    const adder = bounded(600)
    await adder.add({ a: '1' })
    await expect(adder.addBulk(entries(600))).rejects.toMatchObject({ ...FULL, added: [] })
  })

  test('where the length cannot be read, nothing is added', async () => {
    failing('xlen', new Error('Command timed out'))
    await expect(bounded(3).add({ a: '1' })).rejects.toMatchObject({
      code: 'STREAM_ADD_FAILED',
      added: [],
      isUncertain: false,
      canRetry: true,
    })
  })

  test('what was refused leaves its places to others', async () => {
    const adder = bounded(3)
    failing('streamAddBulk', OOM)
    await expect(adder.addBulk(entries(2))).rejects.toThrow('OOM')
    rig.fateOf = () => undefined
    expect(await adder.addBulk(entries(3))).toHaveLength(3)
  })

  test('what may be there keeps its places', async () => {
    const adder = bounded(3)
    failing('streamAddBulk', 'unheard')
    await expect(adder.addBulk(entries(2))).rejects.toMatchObject({ isUncertain: true })
    rig.fateOf = () => undefined
    await expect(adder.addBulk(entries(2))).rejects.toMatchObject(FULL)
    expect(await adder.add({ a: '1' })).toMatch(/-/)
  })

  test('of what failed halfway only that keeps its places which was added', async () => {
    const adder = bounded(600)
    failing('streamAddBulk', OOM, 1)
    await expect(adder.addBulk(entries(600))).rejects.toMatchObject({ added: { length: 500 } })
    rig.fateOf = () => undefined
    expect(await adder.addBulk(entries(100))).toHaveLength(100)
    await expect(adder.add({ a: '1' })).rejects.toMatchObject(FULL)
  })

  test('whoever adds by himself takes places too, whatever became of it', async () => {
    const adder = bounded(3)
    expect(await adder.withRoom(2, async () => 'done')).toBe('done')
    await expect(adder.addBulk(entries(2))).rejects.toMatchObject(FULL)
    await expect(adder.withRoom(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(adder.add({ a: '1' })).rejects.toMatchObject(FULL)
    await expect(adder.withRoom(1, async () => 'done')).rejects.toMatchObject(FULL)
  })

  test('without one whoever adds by himself runs at once', async () => {
    expect(await adderOf().withRoom(1_000_000, async () => 'done')).toBe('done')
    expect(rig.sent).toEqual([])
  })
})
