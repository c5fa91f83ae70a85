import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { CallWindow } from '#money/call-window.ts'
import { FirstPosts } from '#money/first-posts.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** How many of a thousand may begin at once. */
async function begin(window: CallWindow): Promise<number> {
  let begun = 0
  for (let call = 0; call < 1000; call++)
    void Promise.resolve(window.enter()).then(mayCall => (begun += mayCall ? 1 : 0))
  await Promise.resolve()
  await Promise.resolve()
  return begun
}

test('a process that has heard nothing begins with ten calls, and calls in vain make it no more', async () => {
  const window = new CallWindow(1024)
  jest.advanceTimersByTime(5000)
  expect(window.waiting).toBe(0)
  expect(await begin(window)).toBe(10)
  expect(window.waiting).toBe(990)
  window.dismiss()
  expect(window.waiting).toBe(0)
  for (let call = 0; call < 10; call++) window.leave(false)
  expect(await begin(window)).toBe(10)
})

test('each answer makes room for one more, up to the most', async () => {
  const window = new CallWindow(15)
  jest.advanceTimersByTime(5000)
  expect(await begin(window)).toBe(10)
  window.dismiss()
  for (let call = 0; call < 3; call++) window.leave(true)
  expect(await begin(window)).toBe(6)
  window.dismiss()
  for (let call = 0; call < 13; call++) window.leave(true)
  expect(await begin(window)).toBe(15)
})

test('what was not used in a second is cut when that second is over', async () => {
  const window = new CallWindow(1024)
  jest.advanceTimersByTime(1000)
  for (let size = 10; size < 40; size *= 2) {
    expect(await begin(window)).toBe(size)
    window.dismiss()
    for (let call = 0; call < size; call++) window.leave(true)
  }
  jest.advanceTimersByTime(1000)
  window.enter()
  window.leave(false)
  jest.advanceTimersByTime(999)
  expect(await begin(window)).toBe(40)
  window.dismiss()
  for (let call = 0; call < 40; call++) window.leave(false)
  // Forty were of use in the second that ends now, one in the next.
  jest.advanceTimersByTime(1)
  window.enter()
  window.leave(false)
  jest.advanceTimersByTime(1000)
  expect(await begin(window)).toBe(10)
})

test('a most that was lowered and raised again begins where it was', async () => {
  const window = new CallWindow(40)
  jest.advanceTimersByTime(5000)
  expect(await begin(window)).toBe(10)
  window.dismiss()
  for (let call = 0; call < 10; call++) window.leave(true)
  window.max = 4
  window.max = 40
  expect(await begin(window)).toBe(4)
})

test('never more than the most, which may change, however few those are', async () => {
  const window = new CallWindow(5)
  jest.advanceTimersByTime(5000)
  expect(await begin(window)).toBe(5)
  window.dismiss()
  window.max = 3
  window.leave(true)
  window.leave(true)
  expect(await begin(window)).toBe(0)
  window.max = 8
  await Promise.resolve()
  window.dismiss()
  for (let call = 0; call < 3; call++) window.leave(true)
  expect(window.underWay).toBeLessThanOrEqual(8)
  window.shrink()
  window.dismiss()
  while (window.underWay > 0) window.leave(false)
  expect(await begin(window)).toBe(8)
})

test('an outage makes it ten again; whoever waits is dismissed', async () => {
  const window = new CallWindow(100)
  jest.advanceTimersByTime(5000)
  await begin(window)
  window.dismiss()
  for (let call = 0; call < 10; call++) window.leave(true)
  window.shrink()
  expect(await begin(window)).toBe(10)
  const waits = window.enter()
  window.dismiss()
  expect(await waits).toBe(false)
  window.close()
  expect(await window.enter()).toBe(false)
})

test('urgent ones go before those that have not begun', async () => {
  const window = new CallWindow(100)
  jest.advanceTimersByTime(5000)
  for (let call = 0; call < 10; call++) await window.enter()
  const order: string[] = []
  void Promise.resolve(window.enter()).then(() => order.push('usual'))
  void Promise.resolve(window.enter(undefined, true)).then(() => order.push('urgent'))
  window.leave(false)
  await Promise.resolve()
  await Promise.resolve()
  expect(order).toEqual(['urgent'])
})

test.each([
  ['19 of 19 are too few', 0, 19, false],
  ['20 of 20', 0, 20, true],
  ['16 of 20 are not more than 80 %', 4, 16, false],
  ['17 of 20', 3, 17, true],
  ['only the last hundred count', 300, 81, true],
])('first POSTs that are refused: %s', (_name, taken, refused, expected) => {
  const posts = new FirstPosts()
  let verdict = false
  for (let gift = 0; gift < taken; gift++) verdict = posts.add(false)
  expect(verdict).toBe(false)
  for (let gift = 0; gift < refused; gift++) verdict = posts.add(true)
  expect(verdict).toBe(expected)
})

/** A window of ten whose ten places are taken, and what whoever asked since was told, in that order. */
function fullWindow(max = 10) {
  const window = new CallWindow(max)
  const told: string[] = []
  for (let call = 0; call < 10; call++) window.enter()
  const ask = (name: string, signal?: AbortSignal, ...how: [isUrgent?: boolean]) =>
    void Promise.resolve(window.enter(signal, ...how)).then(mayCall => told.push(`${name} ${mayCall}`))
  return { window, told, ask }
}
const turns = () => jest.advanceTimersByTimeAsync(0)

test('who asks first is served first, but for what is urgent', async () => {
  const { window, told, ask } = fullWindow()
  ask('a')
  ask('b', undefined, false)
  ask('urgent', undefined, true)
  for (let call = 0; call < 3; call++) window.leave(false)
  await turns()
  expect(told).toEqual(['urgent true', 'a true', 'b true'])
})

test('who has given up is told so in its turn, and takes no place', async () => {
  const { window, told, ask } = fullWindow()
  const abort = new AbortController()
  ask('a', abort.signal)
  ask('b', new AbortController().signal)
  abort.abort()
  window.leave(false)
  await turns()
  expect([told, window.underWay, window.waiting]).toEqual([['a false', 'b true'], 10, 0])
})

test('a lower maximum cuts nothing off: the next is let in when so many are under way no more', async () => {
  const { window, told, ask } = fullWindow()
  ask('a')
  window.max = 5
  for (let call = 0; call < 5; call++) window.leave(true)
  await turns()
  expect([told, window.underWay]).toEqual([[], 5])
  window.leave(true)
  await turns()
  expect([told, window.underWay]).toEqual([['a true'], 5])
})

test('closed, whoever waits and whoever comes is told no', async () => {
  const { window, told, ask } = fullWindow()
  ask('a')
  window.close()
  ask('b')
  await turns()
  expect(told).toEqual(['a false', 'b false'])
})

test('longer than two seconds without a call, it begins with ten again', async () => {
  jest.advanceTimersByTime(60_000)
  const window = new CallWindow(1024)
  jest.advanceTimersByTime(999)
  for (let size = 10; size < 80; size *= 2) {
    expect(await begin(window)).toBe(size)
    window.dismiss()
    for (let call = 0; call < size; call++) window.leave(true)
  }
  jest.advanceTimersByTime(2002)
  expect(await begin(window)).toBe(10)
})

test('a process that has just begun is let in slowly, however fast the answers come', async () => {
  jest.advanceTimersByTime(60_000)
  const window = new CallWindow(1024)
  for (let call = 0; call < 200; call++) {
    window.enter()
    window.leave(true)
  }
  expect(await begin(window)).toBe(10)
  window.dismiss()
  for (let call = 0; call < 10; call++) window.leave(true)
  jest.advanceTimersByTime(250)
  expect(await begin(window)).toBe(20)
})
