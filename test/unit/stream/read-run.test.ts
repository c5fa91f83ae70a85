import { expect, test } from '@jest/globals'
import { type FromRun, ReadRun, settle } from '#stream/read-run.ts'

const IDS = ['1-0', '2-0', '3-0', '4-0']
const readOf = (ids = IDS): FromRun[] => {
  const run = new ReadRun(ids)
  return ids.map((id, runAt) => ({ id, run, runAt }))
}
const at = (items: FromRun[], ...places: number[]) => places.map(place => items[place] as FromRun)

test('what is acknowledged of a read from its first entry on is one stretch, in whatever order', () => {
  const read = readOf()
  expect(settle(at(read, 1, 0))).toEqual({ ids: ['2-0', '1-0'], stretches: [{ from: '1-0', to: '2-0' }], inside: 2 })
})

test('what lies behind one that is not done is in no stretch, until that one is done', () => {
  const read = readOf()
  expect(settle(at(read, 0, 2))).toEqual({ ids: ['1-0', '3-0'], stretches: [{ from: '1-0', to: '1-0' }], inside: 1 })
  expect(settle(at(read, 3))).toEqual({ ids: ['4-0'], stretches: [], inside: 0 })
  expect(settle(at(read, 1))).toEqual({ ids: ['2-0'], stretches: [{ from: '1-0', to: '4-0' }], inside: 1 })
})

test('entries in stretches come first; those that were found alone are in none', () => {
  const [one, other] = [readOf(), readOf(['7-0', '8-0'])]
  const items = [{ id: '9-0' }, ...at(other, 1), ...at(one, 0), { id: '6-0', run: undefined }, ...at(other, 0)]
  expect(settle(items)).toEqual({
    ids: ['8-0', '1-0', '7-0', '9-0', '6-0'],
    stretches: [
      { from: '7-0', to: '8-0' },
      { from: '1-0', to: '1-0' },
    ],
    inside: 3,
  })
})

test('nothing done is nothing to tell', () => {
  expect(settle([])).toEqual({ ids: [], stretches: [], inside: 0 })
})
