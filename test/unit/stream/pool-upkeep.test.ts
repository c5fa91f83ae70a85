import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { StreamConnection } from '#stream/connection.ts'
import { type PoolMember, type Watch, watchOf } from '#stream/pool-member.ts'
import { PoolUpkeep } from '#stream/pool-upkeep.ts'

const ROUND_MS = 250

/** What of the upkeep's neighbours the test says, and what they were told. */
let told: string[]
let isUsable: boolean
let filled: Set<string> | undefined
let upkeep: PoolUpkeep
let watches: Map<PoolMember, Watch>

beforeEach(() => {
  jest.useFakeTimers()
  ;[told, isUsable, filled, watches] = [[], true, new Set(), new Map()]
  const client = Object.assign(new EventEmitter(), {
    defineCommand: () => undefined,
    mget: async (keys: string[]) => {
      told.push(`pauses of ${keys.join(' ')}`)
      return keys.map(() => null)
    },
  })
  const connection = new StreamConnection({ url: 'redis://127.0.0.1:1' }, () => client as never)
  Object.defineProperty(connection, 'isUsable', { get: () => isUsable })
  upkeep = new PoolUpkeep({
    connection,
    watches,
    look: async (looked, afterId) => {
      told.push(`look at ${looked.map(watch => `${watch.member.stream} after ${afterId(watch)}`).join(', ')}`)
      return filled
    },
    onAtRest: nowMs => told.push(`at rest at ${nowMs}`),
    onDone: isHot => told.push(isHot ? 'done, hot' : 'done'),
  })
})
afterEach(() => {
  upkeep.stop()
  jest.useRealTimers()
})

function join(stream: string, part: Partial<PoolMember> = {}): Watch {
  const member = {
    stream,
    canRead: true,
    isDue: () => true,
    maintain: async (nowMs: number, isEmpty: boolean) =>
      void told.push(`${stream} at ${nowMs}${isEmpty ? ', empty' : ''}`),
    setQueuePaused: () => undefined,
    reportError: ({ message }: Error) => void told.push(message),
    ...part,
  } as PoolMember
  const watch = watchOf(member)
  watches.set(member, watch)
  return watch
}

async function lines(ms: number): Promise<string[]> {
  told.length = 0
  await jest.advanceTimersByTimeAsync(ms)
  return [...told]
}

const only = (what: string, said: readonly string[]) => said.filter(line => line.startsWith(what))

describe('rounds', () => {
  test('come four times a second, once it is started and until it is stopped', async () => {
    join('s')
    expect(await lines(1000)).toEqual([])
    upkeep.start()
    await lines(ROUND_MS / 2)
    upkeep.start()
    expect(await lines(ROUND_MS / 2)).toContain('done')
    expect(only('done', await lines(4 * ROUND_MS))).toHaveLength(4)
    upkeep.stop()
    expect([await lines(1000), jest.getTimerCount()]).toEqual([[], 0])
    upkeep.start()
    expect(only('done', await lines(ROUND_MS))).toHaveLength(1)
  })

  test('one that is nearly due begins when the process is awake, and the next a whole pause later', async () => {
    join('s')
    upkeep.start()
    await lines(ROUND_MS)
    await jest.advanceTimersByTimeAsync(189)
    upkeep.nudge()
    expect(await lines(0)).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    upkeep.nudge()
    expect(only('done', await lines(0))).toHaveLength(1)
    expect([await lines(ROUND_MS - 1), only('done', await lines(1))]).toEqual([[], ['done']])
  })

  test('a worker that cannot be maintained hears of it, and the others are all the same', async () => {
    join('bad', { maintain: () => Promise.reject(new Error('Redis is away')) })
    join('good')
    upkeep.start()
    const said = await lines(ROUND_MS)
    expect(said).toEqual(expect.arrayContaining(['Redis is away', `good at ${ROUND_MS}`, 'done']))
  })

  test('one that needs nothing is let alone', async () => {
    join('s', { isDue: () => false })
    upkeep.start()
    expect(only('s at', await lines(ROUND_MS))).toEqual([])
  })
})

test('queues are looked up every half second, where there is one and the server is there', async () => {
  upkeep.start()
  await lines(2000)
  expect(only('pauses', told)).toEqual([])
  join('s')
  join('t')
  const look = async (ms: number) => only('pauses', await lines(ms))
  expect(await look(ROUND_MS)).toEqual(['pauses of s:paused t:paused'])
  expect(await look(ROUND_MS)).toEqual([])
  expect(await look(ROUND_MS)).toEqual(['pauses of s:paused t:paused'])
  isUsable = false
  expect(await look(1000)).toEqual([])
})

test.each<[string, { isUsable?: boolean; canRead?: boolean; reads?: number }, boolean]>([
  ['nobody wants to read', { canRead: false }, true],
  ['one can read', {}, false],
  ['one reads', { canRead: false, reads: 1 }, false],
  ['the server is away', { canRead: false, isUsable: false }, false],
])('whether the pool is at rest, where %s: %j', async (_, each, expected) => {
  isUsable = each.isUsable ?? true
  join('s', { canRead: each.canRead ?? true }).reads = each.reads ?? 0
  upkeep.start()
  expect(only('at rest', await lines(ROUND_MS))).toEqual(expected ? [`at rest at ${ROUND_MS}`] : [])
})

describe('which streams are empty', () => {
  const look = async (ms = 1000) => only('look', await lines(ms))

  test('is looked at once a second, of several streams, from their beginning', async () => {
    const [one, other] = [join('s'), join('t')]
    filled = new Set(['t'])
    upkeep.start()
    expect(await look()).toEqual(['look at s after 0-0, t after 0-0'])
    expect([one.isEmpty, other.isEmpty]).toEqual([true, false])
    expect(await look()).toHaveLength(1)
    filled = undefined
    await look()
    // The server did not say.
    expect([one.isEmpty, other.isEmpty]).toEqual([false, false])
    isUsable = false
    expect([await look(), only('done, hot', told)]).toEqual([[], []])
  })

  test('is not asked of the only one: it is read itself, and not known to be empty', async () => {
    const one = join('s')
    one.isEmpty = true
    upkeep.start()
    expect([await look(), one.isEmpty, only('done, hot', told)]).toEqual([[], false, []])
  })

  test('one that holds entries and was not read for two seconds is to be read; one that was, or is about to be, as it is', async () => {
    const [old, young, hot, empty] = [join('s'), join('t'), join('u'), join('v')]
    for (const watch of [old, young, empty]) watch.isHot = false
    filled = new Set(['s', 't', 'u'])
    upkeep.start()
    expect(only('done, hot', await lines(1000))).toEqual([])
    await lines(1000)
    young.readAtMs = performance.now()
    // Two seconds are not enough, a moment more is.
    expect([old.isHot, only('done, hot', await lines(1000))]).toEqual([false, ['done, hot']])
    expect([old, young, hot, empty].map(({ isHot }) => isHot)).toEqual([true, false, true, false])
    expect(only('done, hot', await lines(500))).toEqual([])
  })
})

test('an idle worker is asked once a second, one whose stream has something or was read lately in every round', async () => {
  const asked: string[] = []
  const isDue = (stream: string) => (nowMs: number, isEmpty: boolean) => {
    asked.push(`${stream}${isEmpty ? ', empty' : ''}`)
    return nowMs < 0
  }
  for (const stream of ['idle', 'read', 'filled']) join(stream, { isDue: isDue(stream) }).isHot = false
  const [, read] = [...watches.values()]
  filled = new Set(['filled'])
  upkeep.start()
  await lines(5000)
  if (read !== undefined) read.readAtMs = performance.now()
  asked.length = 0
  await lines(1000)
  const times = (what: string) => asked.filter(each => each === what).length
  expect([times('idle, empty'), times('read, empty'), times('filled')]).toEqual([1, 4, 4])
  expect(told.filter(line => / at \d/.test(line))).toEqual([])
})
