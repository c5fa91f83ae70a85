import { expect, jest, test } from '@jest/globals'
import { freeSlots, LeasedEntries } from '#stream/leased-entries.ts'

const entry = (id: string, deliveries: number) => ({ id, stream: 's', fields: {}, deliveries })

test('suspects have their turn by their deliveries, the fewest first, then as they came', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  for (const [id, deliveries] of [
    ['1-0', 3],
    ['2-0', 1],
    ['3-0', 2],
    ['4-0', 1],
    ['5-0', 3],
    ['6-0', 2],
  ] as const)
    leased.add(entry(id, deliveries), 0, 'suspect')
  const turns: string[] = []
  for (let next = leased.firstSuspect(); next !== undefined; next = leased.firstSuspect()) {
    turns.push(next.id)
    leased.move(next, 'active')
  }

  expect(turns).toEqual(['2-0', '4-0', '3-0', '6-0', '1-0', '5-0'])
  expect([leased.count('suspect'), leased.count('active'), leased.size]).toEqual([0, 6, 6])
})

test('those that are ready have theirs as they came, without what was dropped meanwhile', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const [first, second, third] = ['1-0', '2-0', '3-0'].map(id => leased.add(entry(id, 1), 0)!)
  leased.remove(second!)

  expect([leased.nextReady(), leased.nextReady(), leased.nextReady()]).toEqual([first, third, undefined])
  expect([leased.has('2-0'), leased.count('ready')]).toEqual([false, 2])
})

test('an entry is leased once', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const lease = leased.add(entry('1-0', 1), 0)

  expect(leased.add(entry('1-0', 7), 0)).toBeUndefined()
  expect([leased.get('1-0'), leased.size]).toEqual([lease, 1])
})

test('slots that are free are those that neither handlers nor a read under way use, and never below none', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const [first] = ['1-0', '2-0', '3-0'].map(id => leased.add(entry(id, 1), 0, 'active')!)
  expect([0, 2, 5].map(reading => freeSlots(8, leased, reading))).toEqual([5, 3, 0])
  expect(freeSlots(2, leased, 0)).toBe(0)
  leased.move(first!, 'delayed')
  expect(freeSlots(8, leased, 2)).toBe(4)
})

test.each([
  ['ready', false, false],
  ['suspect', false, true],
  ['active', true, false],
] as const)('one that is taken in as %s is ours, counted (%s) where it runs already', (state, isCounted, isSuspect) => {
  const lease = new LeasedEntries<Record<string, string>>().add(entry('1-0', 1), 7, state)
  expect(lease).toMatchObject({ state, isCounted, isSuspect, isLost: false, hasStoredDelay: false, aliveAtMs: 7 })
})

test('a state leads only where a life goes on; what is not moved is in no line', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const lease = leased.add(entry('1-0', 1), 0, 'active')!
  expect([leased.move(lease, 'ready'), leased.move(lease, 'acking'), leased.move(lease, 'delayed')]).toEqual([
    false,
    true,
    false,
  ])
  expect([leased.nextReady(), leased.count('acking'), leased.count('active')]).toEqual([undefined, 1, 0])
})

test('one whose pause is over waits in its line again, and one that pauses in none', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const [one, other] = ['1-0', '2-0'].map(id => leased.add(entry(id, 1), 0, 'active')!)
  for (const lease of [one!, other!]) leased.move(lease, 'delayed')
  expect([leased.nextReady(), leased.firstSuspect()]).toEqual([undefined, undefined])
  leased.move(one!, 'ready')
  leased.move(other!, 'suspect')
  expect([leased.nextReady(), leased.firstSuspect()]).toEqual([one, other])
})

test('one that is removed has no timer any more, once, and what its id is handed out as is another', () => {
  jest.useFakeTimers()
  try {
    const leased = new LeasedEntries<Record<string, string>>()
    const lease = leased.add(entry('1-0', 1), 0, 'active')!
    leased.move(lease, 'delayed')
    lease.timer = setTimeout(() => undefined, 1000)
    expect([leased.remove(lease), lease.state, leased.count('delayed'), jest.getTimerCount()]).toEqual([
      true,
      'gone',
      0,
      0,
    ])
    const next = leased.add(entry('1-0', 1), 0)
    expect([leased.remove(lease), leased.get('1-0'), leased.count('ready')]).toEqual([false, next, 1])
    expect(leased.move(lease, 'ready')).toBe(false)
  } finally {
    jest.useRealTimers()
  }
})

test('a suspect that comes again has its turn by the bad ends that it has now', () => {
  const leased = new LeasedEntries<Record<string, string>>()
  const again = leased.add(entry('1-0', 1), 0, 'active')!
  leased.move(again, 'delayed')
  again.entry = entry('1-0', 3)
  const other = leased.add(entry('2-0', 2), 0, 'suspect')
  leased.move(again, 'suspect')
  expect(leased.firstSuspect()).toBe(other)
})
