import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { LoopLateness } from '#money/loop-lateness.ts'

let lateness: LoopLateness
let nowMs: number

beforeEach(() => {
  nowMs = 1000
  jest.useFakeTimers({ doNotFake: ['performance'] })
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs)
  lateness = new LoopLateness()
})
afterEach(() => {
  jest.restoreAllMocks()
  jest.useRealTimers()
})

test('it looks while anybody wants to know, and a tick longer', () => {
  expect(jest.getTimerCount()).toBe(0)
  lateness.watch()
  lateness.watch()
  lateness.unwatch()
  goOn(100)
  expect(jest.getTimerCount()).toBe(1)

  lateness.unwatch()
  expect(jest.getTimerCount()).toBe(1)
  goOn(20)
  expect(jest.getTimerCount()).toBe(0)
})

test('calls that follow each other keep its timer', () => {
  for (let call = 0; call < 10; call++) {
    lateness.watch()
    goOn(15)
    lateness.unwatch()
  }

  expect(jest.getTimerCount()).toBe(1)
  expect(lateness.totalMs).toBe(0)
})

test('stopped, it looks no more', () => {
  lateness.watch()
  lateness.stop()

  expect(jest.getTimerCount()).toBe(0)
})

test('time in which the loop stood still is added up, also before its timer has run', () => {
  lateness.watch()
  standStill(120)
  expect(lateness.totalMs).toBe(100)
  expect(lateness.totalMs).toBe(100)
  goOn(200)
  expect(lateness.totalMs).toBe(100)
  standStill(70)
  expect(lateness.totalMs).toBe(150)
})

test('a tick that is a little late is no stall', () => {
  lateness.watch()
  standStill(29)

  expect(lateness.totalMs).toBe(0)
})

test('nobody wanted to know: it does not count', () => {
  lateness.watch()
  lateness.unwatch()
  goOn(20)
  standStill(500)

  expect(lateness.totalMs).toBe(0)
})

/** The clock goes on, and no timer runs. */
function standStill(ms: number): void {
  nowMs += ms
}

/** The clock goes on, and timers run when they are due. */
function goOn(ms: number): void {
  for (let passed = 0; passed < ms; passed += 5) {
    nowMs += 5
    jest.advanceTimersByTime(5)
  }
}
