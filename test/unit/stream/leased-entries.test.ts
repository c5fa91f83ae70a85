import { expect, test } from '@jest/globals'
import { LeasedEntries } from '#stream/leased-entries.ts'

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
