import { beforeEach, describe, expect, test } from '@jest/globals'
import { ConsumerWork } from '#stream/consumer-work.ts'
import { deadLetter, retryLater } from '#stream/index.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

type Fields = Record<string, string>
type Work = ConsumerWork<Fields>

/** A consumer whose server and handlers say what the test wants, and what they were told. */
let told: string[]
/** Entries that the next reads bring. */
let stream: string[]
let isUsable: boolean
let isUsedUp: boolean
let isOurs: boolean
let says: () => unknown
let refuses: (() => Promise<never>) | undefined

beforeEach(() => {
  ;[told, stream, isUsable, isUsedUp, isOurs, says, refuses] = [[], [], true, false, true, () => undefined, undefined]
})

function workOf(options: object = {}): Work {
  const mine = told
  const tell = (what: string) => void mine.push(what)
  const found = (ids: readonly string[]) => ids.map(id => [id, ['n', '1']])
  const group = {
    read: async (count: number) => {
      tell(`read ${count}`)
      return found(stream.splice(0, count))
    },
    acknowledge: async ({ ids }: { ids: string[] }) => {
      tell(`acknowledge ${ids.join(' ')}`)
      return { hasOtherGroup: false }
    },
    renew: async (renewals: { id: string }[]) => new Map(isOurs ? renewals.map(({ id }) => [id, 1]) : []),
    ackOwned: async (id: string) => {
      tell(`acknowledge our ${id}`)
      return true
    },
    claim: async () => {
      tell('claim')
      return { cursor: '0-0', entries: [] }
    },
    ownPending: async () => {
      tell('look for own')
      return []
    },
    removeDeadConsumers: async () => undefined,
    hasStale: async () => false,
    leave: async () => (refuses === undefined ? tell('leave') : await refuses()),
  }
  return new ConsumerWork<Fields>({
    stream: 's',
    handler: () => says(),
    options: {
      ...{
        concurrency: 4,
        readCount: 100,
        claimMinIdleMs: 60_000,
        maxDeliveries: 3,
        maxBackoffMs: 100,
        isNamed: false,
      },
      onPoison: ({ id }: { id: string }) => tell(`poison ${id}`),
      onAcknowledged: (ids: string[]) => tell(`acknowledged ${ids.join(' ')}`),
      ...options,
    },
    group,
    limiter: { isUsedUp: () => isUsedUp, acquire: async () => 0 },
    delays: {
      store: (id: string, ms: number) => tell(`store ${id} ${ms}`),
      forget: (id: string) => tell(`forget ${id}`),
      restOf: async () => new Map(),
    },
    lane: new SuspectLane(),
    signal: new AbortController().signal,
    announce: () => undefined,
    writeDeadLetter: async ({ id }: { id: string }, reason: string) => tell(`letter ${id}: ${reason}`),
    isUsable: () => isUsable,
    wake: () => tell('wake'),
    onFreed: () => undefined,
    onReadFailed: async () => undefined,
    onOtherGroup: () => undefined,
    onError: (error: Error) => tell(`error: ${error.message}`),
  } as never)
}

const turns = async () => {
  for (let turn = 0; turn < 6; turn++) await new Promise(resolve => void setImmediate(resolve))
}
const never = () => new Promise<never>(() => undefined)

describe('slots', () => {
  test('are there while handlers may begin', () => {
    const work = workOf()
    expect([work.free, work.ready, work.canRead]).toEqual([0, 0, false])
    work.open()
    expect([work.free, work.ready, work.canRead]).toEqual([4, 0, true])
    work.shut()
    expect([work.free, work.canRead]).toEqual([0, false])
  })

  test('are not filled by a read without a server, nor without permits, nor before what was lost is looked for', async () => {
    const work = workOf()
    work.open()
    isUsable = false
    expect(work.canRead).toBe(false)
    ;[isUsable, isUsedUp] = [true, true]
    expect(work.canRead).toBe(false)
    isUsedUp = false
    work.recovery.scanOwn()
    expect(work.canRead).toBe(false)
    await work.maintain(performance.now(), false)
    expect(work.canRead).toBe(true)
  })

  test('are all in use when as many handlers run', async () => {
    const work = workOf()
    work.open()
    ;[says, stream] = [never, ['1-0', '2-0', '3-0', '4-0', '5-0']]
    expect(await work.take(4, true)).toBe('full')
    await turns()
    expect([work.inFlight, work.active, work.free, work.canRead]).toEqual([4, 4, 0, false])
  })
})

describe('a read', () => {
  test.each([
    [3, 100, 3],
    [4, 2, 2],
    [400, 400, 250],
  ])('for %i slots, of %i at most, is one of %i', async (slots, readCount, expected) => {
    const work = workOf({ concurrency: 400, readCount })
    work.open()
    expect(await work.take(slots, true)).toBe('empty')
    expect(told).toContain(`read ${expected}`)
  })

  test('is none where it may not, or where no slot is left', async () => {
    const work = workOf()
    work.open()
    expect([await work.take(4, false), await work.take(0, true), told]).toEqual(['none', 'none', []])
  })
})

test('idle is told when no handler runs and no read is under way', async () => {
  const work = workOf()
  work.open()
  await work.whenIdle()
  const end = Promise.withResolvers<void>()
  ;[says, stream] = [() => end.promise, ['1-0']]
  await work.take(1, true)
  await turns()
  let isIdle = false
  const idle = work.whenIdle().then(() => (isIdle = true))
  await turns()
  expect(isIdle).toBe(false)
  end.resolve()
  await idle
  const reading = work.take(1, true)
  const idleAgain = work.whenIdle()
  await reading
  await idleAgain
})

describe('what is done', () => {
  test('is acknowledged, then told, and its slot used again while handlers may begin', async () => {
    const work = workOf()
    work.open()
    stream = ['1-0']
    await work.take(1, true)
    await turns()
    await work.whenAcknowledged()
    expect(told).toEqual(['read 1', 'acknowledge 1-0', 'acknowledged 1-0', 'wake'])
    stream = ['2-0']
    await work.take(1, true)
    work.shut()
    told.length = 0
    await turns()
    expect(told).toEqual(['acknowledge 2-0', 'acknowledged 2-0'])
  })

  test('a long delay is written down, a short one not', async () => {
    const work = workOf()
    work.open()
    for (const [id, delayMs] of [
      ['1-0', 999],
      ['2-0', 1000],
    ] as const) {
      ;[says, stream] = [() => retryLater({ delayMs, reason: '' }), [id]]
      await work.take(1, true)
      await turns()
    }
    expect(told.filter(line => line.startsWith('store'))).toEqual(['store 2-0 1000'])
    await work.leave()
  })
})

describe('a dead letter', () => {
  const letter = async (work: Work) => {
    work.open()
    stream = ['1-0']
    await work.take(1, true)
    await turns()
    told.shift()
  }

  test('of a handler’s is written, then its entry acknowledged', async () => {
    says = () => deadLetter('no')
    await letter(workOf())
    expect(told).toEqual(['letter 1-0: no', 'acknowledge our 1-0'])
  })

  test('of poison is told before', async () => {
    says = () => Promise.reject(new Error('boom'))
    await letter(workOf({ maxDeliveries: 1 }))
    expect(told).toEqual(['poison 1-0', 'letter 1-0: failed once, with: boom', 'acknowledge our 1-0'])
  })

  test('of another’s is not written, and it is looked whose the entry is', async () => {
    ;[says, isOurs] = [() => deadLetter('no'), false]
    const work = workOf()
    await letter(work)
    expect([told, work.recovery.mustScanOwn, work.inFlight]).toEqual([[], true, 0])
  })

  test('of poison that became another’s while it was told is not written', async () => {
    says = () => Promise.reject(new Error('boom'))
    const onPoison = () => {
      isOurs = false
    }
    await letter(workOf({ maxDeliveries: 1, onPoison }))
    expect(told).toEqual([])
  })
})

describe('a consumer that leaves', () => {
  test('leaves its group, where the server is there', async () => {
    await workOf().leave()
    expect(told).toEqual(['leave'])
    isUsable = false
    await workOf().leave()
    expect(told).toEqual(['leave'])
  })

  test.each([
    ['NOGROUP No such key', []],
    ['Redis is away', ['error: Redis is away']],
  ])('is told what the server refuses: %s', async (message, expected) => {
    refuses = () => Promise.reject(new Error(message))
    await workOf().leave()
    expect(told).toEqual(expected)
  })
})
