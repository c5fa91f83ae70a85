import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Cluster, Redis } from 'ioredis'
import { type BreakerState, MoneyBreaker } from '#money/breaker.ts'
import type { HttpAnswer } from '#money/charge.ts'
import { CredentialsLatch, type CredentialsRefusal, clearCredentialsLatch } from '#money/credentials-latch.ts'
import { createLogger } from '#runtime/logger.ts'
import { toEntry } from '#stream/entry.ts'
import { type Lease, LeasedEntries, type LeaseState } from '#stream/leased-entries.ts'
import { arrow, transitionsOf } from '../../support/transitions.ts'

const HEADINGS = ['A gift', 'A promotion', 'An entry', 'The breaker', 'The latch']

test.each(HEADINGS)('%s: the diagram shows what the table lists', heading => {
  const { listed, drawn } = transitionsOf(heading)
  expect(drawn).toEqual(listed)
})

describe('an entry', () => {
  const machine = transitionsOf('An entry')
  const STATES = ['ready', 'suspect', 'active', 'delayed', 'acking', 'gone'] as const
  type Fields = Record<string, string>
  /** The ways there from where an entry begins. */
  const WAYS: Record<LeaseState, readonly Exclude<LeaseState, 'gone'>[]> = {
    ready: [],
    suspect: ['active', 'delayed', 'suspect'],
    active: ['active'],
    delayed: ['active', 'delayed'],
    acking: ['active', 'acking'],
    gone: ['active'],
  }
  const pairs = STATES.flatMap(from => STATES.map(to => [from, to] as const))

  function inState(state: LeaseState): { entries: LeasedEntries<Fields>; one: Lease<Fields> } {
    const entries = new LeasedEntries<Fields>()
    const one = entries.add(toEntry('s', '1-0', [], 1), 0)!
    for (const next of WAYS[state]) expect(entries.move(one, next)).toBe(true)
    if (state === 'gone') entries.remove(one)
    expect(one.state).toBe(state)
    return { entries, one }
  }

  test.each(pairs)('%s → %s', (from, to) => {
    const { entries, one } = inState(from)
    const hasMoved = to === 'gone' ? entries.remove(one) : entries.move(one, to)
    expect(hasMoved).toBe(machine.allows(from, to))
    expect(one.state).toBe(hasMoved ? to : from)
    for (const state of STATES) expect(entries.count(state)).toBe(state === one.state && state !== 'gone' ? 1 : 0)
  })
})

describe('the breaker', () => {
  const machine = transitionsOf('The breaker')
  const reply = (status: number, body = ''): HttpAnswer => ({ kind: 'reply', status, body, retryAfter: undefined })
  const usable = reply(200, '{"transactionKey":"tx"}')
  const LONG_MS = 3_600_000

  /** A breaker, its pause, and what it has come through. */
  function create(minOpenMs: number) {
    const seen: string[] = []
    let state: BreakerState = 'closed'
    let gift = 0
    const breaker = new MoneyBreaker({
      minOpenMs,
      onState: next => {
        seen.push(arrow(state, next))
        state = next
      },
    })
    const call = (answer: HttpAnswer, method: 'GET' | 'POST' = 'POST') =>
      breaker.run({ gift: `VOUCHER:${gift++}`, method }, async () => answer)
    const EVENTS: Record<string, () => Promise<unknown>> = {
      usable: () => call(usable),
      unusable: () => call(reply(503)),
      refused: () => call(reply(401), 'GET'),
      trip: () => breaker.trip(),
      fail: () => breaker.fail(),
    }
    return { breaker, seen, event: (name: string) => EVENTS[name]!(), call }
  }

  test('every way that is listed is gone, and no other, whatever happens', async () => {
    const { seen, event } = create(0)
    const names = ['usable', 'unusable', 'refused', 'trip', 'fail']
    // A linear congruential generator: the same run each time.
    let seed = 7
    for (let step = 0; step < 5000; step++) {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      // Runs of one kind, so that shares are reached.
      const name = names[Math.floor((seed / 2 ** 32) * names.length)]!
      for (let time = 0; time < (seed % 3) * 12; time++) await event(name)
    }
    expect([...new Set(seen)].sort()).toEqual(machine.listed)
  })

  test.each(['trip', 'fail', 'refused'])('%s opens it at once', async name => {
    const { breaker, event } = create(LONG_MS)
    await event(name)
    expect(breaker.state).toBe('open')
  })

  test('open, nothing is called and nothing moves it before the pause is over', async () => {
    const { breaker, seen, event, call } = create(LONG_MS)
    await event('trip')
    for (const name of ['usable', 'unusable', 'refused', 'trip', 'fail']) await event(name)
    expect(await call(usable)).toBeUndefined()
    expect([breaker.state, seen]).toEqual(['open', [arrow('closed', 'open')]])
  })
})

/** One Redis that all instances share; away when told so. */
class FakeRedis {
  readonly values = new Map<string, string>()
  isAway = false

  async get(key: string): Promise<string | null> {
    if (this.isAway) throw new Error('away')
    return this.values.get(key) ?? null
  }

  async set(key: string, value: string, ...options: unknown[]): Promise<'OK' | null> {
    if (this.isAway) throw new Error('away')
    if (options.includes('NX') && this.values.has(key)) return null
    this.values.set(key, value)
    const expiry = options.indexOf('PX')
    if (expiry >= 0) setTimeout(() => this.values.delete(key), options[expiry + 1] as number)
    return 'OK'
  }
}

describe('the latch', () => {
  const machine = transitionsOf('The latch')
  const ROUNDS_MS = 7000
  let redis: FakeRedis
  let latches: CredentialsLatch[]
  /** What a probe finds. */
  let answer: boolean | undefined

  beforeEach(() => {
    jest.useFakeTimers()
    ;[redis, latches, answer] = [new FakeRedis(), [], undefined]
  })
  afterEach(() => {
    for (const latch of latches) latch.stop()
    jest.useRealTimers()
  })

  async function open() {
    const seen: string[] = []
    let state = 'taken'
    const onChange = (refusal: CredentialsRefusal | undefined) => {
      const next = refusal === undefined ? 'taken' : 'refused'
      seen.push(arrow(state, next))
      state = next
    }
    const shared = redis as unknown as Redis | Cluster
    const logger = createLogger('test', 'silent')
    const latch = new CredentialsLatch({ redis: shared, logger, onChange, probe: async () => answer })
    latches.push(latch)
    await latch.start()
    return { latch, seen, stateOf: () => state }
  }

  const EVENTS: Record<string, (latch: CredentialsLatch) => Promise<void> | void> = {
    'refused here': latch => latch.refused('HTTP_401'),
    'another is refused': async () => (await open()).latch.refused('HTTP_403'),
    'probe let in': () => {
      answer = true
    },
    'probe refused': () => {
      answer = false
    },
    lifted: async () => {
      if (!redis.isAway) await clearCredentialsLatch(redis as unknown as Redis)
    },
    'wiped Redis': () => redis.values.clear(),
    'Redis is away': () => {
      redis.isAway = true
    },
  }
  const cases = (['taken', 'refused'] as const).flatMap(from => Object.keys(EVENTS).map(name => [from, name] as const))

  test.each(cases)('%s, and then: %s', async (from, name) => {
    const { latch, seen, stateOf } = await open()
    if (from === 'refused') latch.refused('HTTP_401')
    await jest.advanceTimersByTimeAsync(2000)
    seen.length = 0
    await EVENTS[name]!(latch)
    await jest.advanceTimersByTimeAsync(ROUNDS_MS)
    const to = from === 'taken' ? 'refused' : 'taken'
    const moves = machine.by(from, to).includes(name)
    expect([stateOf(), seen]).toEqual(moves ? [to, [arrow(from, to)]] : [from, []])
  })

  test('every reason that is listed is one of these events', () => {
    const reasons = [...machine.by('taken', 'refused'), ...machine.by('refused', 'taken')]
    expect(reasons.filter(reason => !(reason in EVENTS))).toEqual([])
    expect(reasons).toHaveLength(4)
  })
})
