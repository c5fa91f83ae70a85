import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { StreamQueue } from '#stream/index.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

let rig: MemoryRig
let queue: StreamQueue<number>
beforeEach(async () => {
  rig = await memoryRig()
  queue = new StreamQueue('s', { connection: rig.connection, group: 'g' })
})
afterEach(() => rig.connection.close())

const LOST = new Error('Command timed out')

/** Entries `1-0`, `2-0` and so on, whose data are those numbers. */
function entries(count: number): void {
  for (let at = 1; at <= count; at++) rig.ask('XADD', 's', `${at}-0`, 'data', at)
}

/** What each of these consumers is handed of the group. */
function handing(...counts: [consumer: string, count: number][]): void {
  rig.ask('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
  for (const [consumer, count] of counts)
    rig.ask('XREADGROUP', 'GROUP', 'g', consumer, 'COUNT', count, 'STREAMS', 's', '>')
}

const all = async () => {
  const found: number[] = []
  for await (const data of queue.entries()) found.push(data)
  return found
}
const idsOf = (items: readonly { id: string }[]) => items.map(({ id }) => id)

describe('a page', () => {
  test('shows entries as what they are, the undecodable too', async () => {
    rig.ask('XADD', 's', '1000-0', 'name', 'mail', 'data', '{"to":"ada"}')
    rig.ask('XADD', 's', '2000-7', 'data', '{')
    expect(await queue.page()).toEqual({
      items: [
        { id: '1000-0', name: 'mail', data: { to: 'ada' }, undecodable: undefined, timestamp: 1000 },
        {
          id: '2000-7',
          name: '__default__',
          data: undefined,
          undecodable: expect.stringContaining('JSON'),
          timestamp: 2000,
        },
      ],
      next: undefined,
    })
  })

  test('holds a hundred unless it is told otherwise, and says where the next begins', async () => {
    entries(101)
    const first = await queue.page()
    expect([first.items.length, first.next]).toEqual([100, '100-0'])
    expect(await queue.page({ after: '100-0' })).toMatchObject({ items: [{ id: '101-0' }], next: undefined })
    expect(await queue.page({ limit: 101 })).toMatchObject({ items: { length: 101 }, next: undefined })
    expect(await queue.page({ after: '5-0', limit: 1 })).toMatchObject({ items: [{ data: 6 }], next: '6-0' })
  })

  test.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 1001 }, 'limit'],
    [{ after: 'x' }, 'after'],
  ])('%j is refused by name', async (options, name) => {
    await expect(queue.page(options)).rejects.toThrow(new RegExp(`^${name} must `))
    await expect(queue.pending(options)).rejects.toThrow(new RegExp(`^${name} must `))
    expect(rig.sent).toEqual([])
  })

  test('may hold a thousand', async () => {
    expect(await queue.page({ limit: 1000 })).toEqual({ items: [], next: undefined })
  })
})

describe('entries that are asked for by id', () => {
  test('come in that order; those that are not there are left out', async () => {
    entries(3)
    expect((await queue.get(['3-0', '9-9', '1-0'])).map(({ data }) => data)).toEqual([3, 1])
    expect(await queue.has(['3-0', '9-9'])).toEqual(new Set(['3-0']))
  })

  test('are asked for by what is an id, and told as unreadable where one cannot be read', async () => {
    await expect(queue.get(['1-0', 'x'])).rejects.toThrow(/^id must /)
    expect(rig.sent).toEqual([])
    rig.fateOf = ([, , id]) => (id === '2-0' ? LOST : undefined)
    await expect(queue.has(['1-0', '2-0'])).rejects.toBe(LOST)
  })
})

describe('all entries', () => {
  test('come once each, page by page', async () => {
    entries(2001)
    expect(await all()).toEqual(Array.from({ length: 2001 }, (_, index) => index + 1))
    expect(rig.sent.map(([, , start]) => start)).toEqual(['-', '(1000-0', '(2000-0'])
  })

  test('end with the first page that is not full', async () => {
    expect(await all()).toEqual([])
    entries(1000)
    expect(await all()).toHaveLength(1000)
    expect(rig.sent).toHaveLength(3)
  })

  test('end with what the codec throws', async () => {
    rig.ask('XADD', 's', '1-0', 'data', '{')
    await expect(all()).rejects.toThrow(SyntaxError)
  })
})

describe('what is pending', () => {
  test('is told with who holds it, and how often it was delivered', async () => {
    entries(2)
    handing(['ada', 1], ['eve', 1])
    rig.ask('XCLAIM', 's', 'g', 'eve', 0, '2-0', 'IDLE', 60_000, 'RETRYCOUNT', 4, 'JUSTID')
    const [first, second] = await queue.pending()
    expect(first).toMatchObject({ id: '1-0', consumer: 'ada', deliveries: 1 })
    expect(second).toMatchObject({ id: '2-0', consumer: 'eve', deliveries: 4 })
    expect([first!.idleMs < 60_000, second!.idleMs >= 60_000]).toEqual([true, true])
  })

  test('is told by page, by id and by consumer', async () => {
    entries(5)
    handing(['ada', 2], ['eve', 3])
    expect(idsOf(await queue.pending({ after: '1-0', limit: 3 }))).toEqual(['2-0', '3-0', '4-0'])
    expect(idsOf(await queue.pending({ id: '4-0' }))).toEqual(['4-0'])
    expect(idsOf(await queue.pending({ consumer: 'eve', limit: 2 }))).toEqual(['3-0', '4-0'])
    expect(await queue.pending({ id: '4-0', consumer: 'ada' })).toEqual([])
    expect(await queue.pending({ consumer: 'nobody' })).toEqual([])
    await expect(queue.pending({ id: 'x' })).rejects.toThrow(/^id must /)
    await expect(queue.pending({ consumer: '' })).rejects.toThrow(/^consumer must /)
  })

  test('is summed up', async () => {
    entries(3)
    handing(['ada', 1], ['eve', 2])
    const consumers = [
      { name: 'ada', count: 1 },
      { name: 'eve', count: 2 },
    ]
    expect(await queue.pendingSummary()).toEqual({ count: 3, oldestId: '1-0', newestId: '3-0', consumers })
  })

  test('is nothing where nothing was handed out, and without a group', async () => {
    const nothing = { count: 0, oldestId: undefined, newestId: undefined, consumers: [] }
    expect([await queue.pendingSummary(), await queue.pending()]).toEqual([nothing, []])
    handing()
    expect([await queue.pendingSummary(), await queue.pending()]).toEqual([nothing, []])
  })

  test('is not known where the server does not say', async () => {
    rig.fateOf = () => LOST
    await expect(queue.pendingSummary()).rejects.toBe(LOST)
    await expect(queue.pending()).rejects.toBe(LOST)
  })
})
