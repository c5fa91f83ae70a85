import { expect, test } from '@jest/globals'
import { coolDown, heat, mayRead, type PoolMember, watchOf } from '#stream/pool-member.ts'

const member = (canRead: boolean, free: number) => ({ canRead, free, concurrency: 8 }) as PoolMember

test('one that has just joined is looked at as soon as there is a slot, and nothing is known of its stream', () => {
  const one = member(true, 8)
  expect(watchOf(one)).toEqual({
    member: one,
    ...{ isHot: true, isFull: false, isPeeked: false, isHit: false, isEmpty: false },
    ...{ pauseMs: 1, dueAtMs: 0, reads: 0, readAtMs: 0, askedAtMs: 0 },
  })
})

test.each([
  ['it can', { canRead: true, free: 1, reads: 0, isFull: false }, true],
  ['it cannot', { canRead: false, free: 8, reads: 0, isFull: true }, false],
  ['half is free and more lies ready', { canRead: true, free: 4, reads: 1, isFull: true }, true],
  ['less than half is free', { canRead: true, free: 3, reads: 1, isFull: true }, false],
  ['no more is known to lie ready', { canRead: true, free: 8, reads: 1, isFull: false }, false],
  ['two reads are under way', { canRead: true, free: 8, reads: 2, isFull: true }, false],
])('whether a stream may be read where %s', (_, { canRead, free, reads, isFull }, expected) => {
  expect(mayRead({ ...watchOf(member(canRead, free)), reads, isFull })).toBe(expected)
})

test('a pause lies between the shortest and the longest one, and ends when something is known to be there', () => {
  const watch = watchOf(member(true, 8))
  const pausesMs = [0.2, 1, 30, 100, 400].map(pauseMs => {
    coolDown(watch, 1000, pauseMs, 100)
    expect([watch.isHot, watch.dueAtMs]).toEqual([false, 1000 + watch.pauseMs])
    return watch.pauseMs
  })
  expect(pausesMs).toEqual([1, 1, 30, 100, 100])
  watch.isEmpty = true
  heat(watch)
  expect([watch.isHot, watch.isEmpty, watch.pauseMs]).toEqual([true, false, 1])
})
