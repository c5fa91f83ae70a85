import { expect, test } from '@jest/globals'
import { companyOf, SuspectLane } from '#stream/suspect-lane.ts'

const MAX_DELIVERIES = 5
const suspect = (deliveries: number) => ({ entry: { deliveries } })

/** How many of them may begin at that moment. */
function begin(lane: SuspectLane, suspects: ReturnType<typeof suspect>[], nowMs: number): number {
  let begun = 0
  for (const one of suspects) {
    if (!lane.hasRoom(one, MAX_DELIVERIES, nowMs)) break
    lane.enter(one, MAX_DELIVERIES, nowMs)
    begun += 1
  }
  return begun
}

/** As the pool does while one waits. */
function hasRoomAfter(lane: SuspectLane, one: ReturnType<typeof suspect>, fromMs: number, toMs: number): boolean {
  let hasRoom = false
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 250) hasRoom = lane.hasRoom(one, MAX_DELIVERIES, nowMs)
  return hasRoom
}

test('one first, more as they end well, at most sixteen', () => {
  const lane = new SuspectLane()
  let running = [suspect(2)]
  const widths: number[] = []
  for (let round = 0; round < 7; round++) {
    const next = Array.from({ length: 40 }, () => suspect(2))
    const begun = round === 0 ? begin(lane, running, 0) : begin(lane, next, round)
    widths.push(begun)
    running = round === 0 ? running : next.slice(0, begun)
    for (const one of running) lane.leave(one, round)
  }
  expect(widths).toEqual([1, 2, 4, 8, 16, 16, 16])
})

test('the nearer to poison the fewer beside it, and alone for the last time', () => {
  expect([2, 3, 4, 5, 6].map(deliveries => companyOf(deliveries, MAX_DELIVERIES))).toEqual([16, 4, 2, 1, 1])
  expect([2, 3].map(deliveries => companyOf(deliveries, 2))).toEqual([1, 1])
  const lane = new SuspectLane()
  lane.enter(suspect(5), MAX_DELIVERIES, 0)
  expect(hasRoomAfter(lane, suspect(2), 0, 29_750)).toBe(false)
  expect(lane.hasRoom(suspect(2), MAX_DELIVERIES, 30_000)).toBe(true)
})

test('one that hangs is passed after a second; who did not run proves nothing', () => {
  const lane = new SuspectLane()
  const [hangs, other] = [suspect(2), suspect(2)]
  lane.enter(hangs, MAX_DELIVERIES, 0)
  expect(hasRoomAfter(lane, other, 0, 750)).toBe(false)
  expect([lane.hasRoom(other, MAX_DELIVERIES, 999), lane.hasRoom(other, MAX_DELIVERIES, 1000)]).toEqual([false, true])
  const fresh = new SuspectLane()
  fresh.enter(hangs, MAX_DELIVERIES, 0)
  fresh.leave(hangs, 0, false)
  expect(begin(fresh, [suspect(2), suspect(2)], 0)).toBe(1)
})

test.each([
  [1000, 11],
  [1001, 1],
])('what ended well %i ms ago: %i of those that come now may begin', (nowMs, most) => {
  const lane = new SuspectLane()
  for (let times = 0; times < 10; times++) {
    const one = suspect(2)
    lane.enter(one, MAX_DELIVERIES, 0)
    lane.leave(one, 0)
  }
  const many = Array.from({ length: 20 }, () => suspect(2))
  expect(begin(lane, many, nowMs)).toBe(most)
})

test('a process that stood still has shown nothing: who ran meanwhile is waited for as long as before', () => {
  const lane = new SuspectLane()
  const [runs, other] = [suspect(2), suspect(2)]
  lane.enter(runs, MAX_DELIVERIES, 0)
  expect(hasRoomAfter(lane, other, 0, 250)).toBe(false)
  expect(lane.hasRoom(other, MAX_DELIVERIES, 60_000)).toBe(false)
  expect(hasRoomAfter(lane, other, 60_000, 60_250)).toBe(true)
  // Nor does it count what runs later for having stood still before.
  const late = new SuspectLane()
  late.hasRoom(runs, MAX_DELIVERIES, 0)
  late.enter(runs, MAX_DELIVERIES, 60_000)
  expect(hasRoomAfter(late, other, 60_000, 60_750)).toBe(false)
})

/** A lane in which so many ended well at that moment. */
function laneAfter(ends: number, nowMs: number): SuspectLane {
  const lane = new SuspectLane()
  for (let times = 0; times < ends; times++) {
    const one = suspect(2)
    lane.enter(one, MAX_DELIVERIES, nowMs)
    lane.leave(one, nowMs)
  }
  return lane
}

test('what ended well is worth the same however long the process has run, and as long as the lane is not empty', () => {
  const lane = laneAfter(3, 500_000)
  expect(begin(lane, [suspect(2)], 500_600)).toBe(1)
  expect(
    begin(
      lane,
      Array.from({ length: 9 }, () => suspect(2)),
      501_200,
    ),
  ).toBe(3)
})

test('beside one that runs for the last time nobody begins, however many ended well before', () => {
  const lane = laneAfter(5, 0)
  lane.enter(suspect(5), MAX_DELIVERIES, 0)
  expect(lane.hasRoom(suspect(2), MAX_DELIVERIES, 0)).toBe(false)
})

test('one that was passed has shown as much as one that ended well', () => {
  const lane = new SuspectLane()
  const [hangs, other] = [suspect(2), suspect(2)]
  lane.hasRoom(hangs, MAX_DELIVERIES, 500_000)
  lane.enter(hangs, MAX_DELIVERIES, 500_000)
  expect(hasRoomAfter(lane, other, 500_000, 501_000)).toBe(true)
  expect(begin(lane, [other, suspect(2), suspect(2)], 501_500)).toBe(2)
})

test('who waits for the lane is woken by each that leaves it, until he waits no more', () => {
  const lane = new SuspectLane()
  let wakes = 0
  const wake = () => void wakes++
  lane.onRoom(wake)
  const [one, other] = [suspect(2), suspect(2)]
  lane.enter(one, MAX_DELIVERIES, 0)
  lane.leave(other, 0)
  expect(wakes).toBe(0)
  lane.leave(one, 0)
  expect(wakes).toBe(1)
  lane.offRoom(wake)
  lane.enter(other, MAX_DELIVERIES, 0)
  lane.leave(other, 0)
  expect(wakes).toBe(1)
})
