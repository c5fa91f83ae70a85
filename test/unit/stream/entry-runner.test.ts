import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { EntryRunner } from '#stream/entry-runner.ts'
import { LeasedEntries } from '#stream/leased-entries.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

/** Longest time that one timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

/** A runner that has only to wait. */
function waitingFor(delayMs: number) {
  const leased = new LeasedEntries<Record<string, string>>()
  const lease = leased.add({ id: '1-0', stream: 's', fields: {}, deliveries: 1 }, 0, 'active')
  if (lease === undefined) throw new Error('not leased')
  leased.move(lease, 'delayed')
  let ready = 0
  const runner = new EntryRunner<Record<string, string>>({ leased, onReady: () => void ready++ } as never)
  runner.wait(lease, delayMs)
  return { lease, readyCount: () => ready }
}

test.each([MAX_TIMER_MS + 1, MAX_TIMER_MS + 10 * 24 * 3_600_000, 3 * MAX_TIMER_MS])(
  'a pause of %d ms ends when it is over, not when the longest timer is',
  delayMs => {
    const { lease, readyCount } = waitingFor(delayMs)
    jest.advanceTimersByTime(delayMs - 1)
    expect([lease.state, readyCount()]).toEqual(['delayed', 0])
    jest.advanceTimersByTime(1)
    expect([lease.state, readyCount()]).toEqual(['ready', 1])
  },
)

test('one without an end waits by one timer after the other, each as long as a timer can be', () => {
  const started = jest.spyOn(globalThis, 'setTimeout')
  const { lease, readyCount } = waitingFor(Number.POSITIVE_INFINITY)
  jest.advanceTimersByTime(10_000)
  expect(started).toHaveBeenCalledTimes(1)
  jest.advanceTimersByTime(10 * MAX_TIMER_MS)
  expect([lease.state, readyCount(), jest.getTimerCount()]).toEqual(['delayed', 0, 1])
  expect(started).toHaveBeenCalledTimes(11)
})

test('an entry that was lost while its delivery was counted is not begun: it is given up, and the delivery forgiven', async () => {
  jest.useRealTimers()
  const leased = new LeasedEntries<Record<string, string>>()
  const lease = leased.add({ id: '1-0', stream: 's', fields: {}, deliveries: 2 }, 0)
  if (lease === undefined) throw new Error('not leased')
  const answer = Promise.withResolvers<boolean>()
  const told: string[] = []
  const runner = new EntryRunner<Record<string, string>>({
    leased,
    options: { maxDeliveries: 5 },
    lane: new SuspectLane(),
    counter: { count: () => answer.promise, forgive: ({ id }: { id: string }) => void told.push(`forgive ${id}`) },
    handler: () => void told.push('handler'),
    announce: () => undefined,
    acknowledge: () => void told.push('acknowledge'),
    letGo: ({ id }: { id: string }) => void told.push(`let go ${id}`),
    onFreed: () => void told.push('freed'),
  } as never)
  runner.begin(lease)
  lease.isLost = true
  answer.resolve(true)
  await new Promise(setImmediate)
  expect(told).toEqual(['forgive 1-0', 'let go 1-0', 'freed'])
})
