import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { StreamConnection } from '#stream/connection.ts'
import { QueueLimiter } from '#stream/limiter.ts'
import { IMMEDIATE_LINK } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'

const WINDOW_MS = 60_000

let server: MemoryServer
let connection: StreamConnection
let errors: unknown[]
/** How often the server was asked for permits. */
let asked: number
let isAway: boolean

beforeEach(async () => {
  ;[errors, asked, isAway] = [[], 0, false]
  // Its clock stands still: a window lasts as long as the test wants.
  server = new MemoryServer({ clock: () => 1_000_000 })
  connection = createMemoryConnection(server, {
    link: {
      ...IMMEDIATE_LINK,
      carry: (command, execute, settle) => {
        const isAsked = command[0] === 'rlflxIncr'
        if (isAsked) asked += 1
        IMMEDIATE_LINK.carry(
          command,
          () => (isAsked && isAway ? { error: new Error('Redis is away') } : execute()),
          settle,
        )
      },
    },
  })
  await connection.ready()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await connection.close()
})

const limiterOf = (max: number) =>
  new QueueLimiter(connection, 's', { max, duration: WINDOW_MS }, error => void errors.push(error))
const acquire = (limiter: QueueLimiter, count: number) =>
  Promise.all(Array.from({ length: count }, () => limiter.acquire()))

test('what asks in one turn asks together; those beyond the window’s permits wait for the rest of it', async () => {
  const limiter = limiterOf(3)
  expect(await acquire(limiter, 5)).toEqual([0, 0, 0, WINDOW_MS, WINDOW_MS])
  expect(asked).toBe(1)
})

test('permits are counted over all limiters of the queue, of other processes too', async () => {
  expect(await acquire(limiterOf(3), 2)).toEqual([0, 0])
  expect(await acquire(limiterOf(3), 2)).toEqual([0, WINDOW_MS])
  expect(await acquire(limiterOf(3), 1)).toEqual([WINDOW_MS])
})

test('another queue has permits of its own', async () => {
  expect(await acquire(limiterOf(1), 1)).toEqual([0])
  const other = new QueueLimiter(connection, 't', { max: 1 }, error => void errors.push(error))
  expect(await acquire(other, 1)).toEqual([0])
})

test('known to be used up, the server is not asked again until the window is over', async () => {
  const limiter = limiterOf(1)
  const nowMs = Math.ceil(performance.now())
  const now = jest.spyOn(globalThis.performance, 'now').mockReturnValue(nowMs)
  expect(limiter.isUsedUp(nowMs)).toBe(false)
  expect(await acquire(limiter, 1)).toEqual([0])
  expect([limiter.isUsedUp(nowMs), await acquire(limiter, 1)]).toEqual([false, [WINDOW_MS]])
  now.mockReturnValue(nowMs + 1000)
  expect([await acquire(limiter, 2), asked]).toEqual([[WINDOW_MS - 1000, WINDOW_MS - 1000], 2])
  expect([WINDOW_MS - 1, WINDOW_MS].map(ms => limiter.isUsedUp(nowMs + ms))).toEqual([true, false])
  now.mockReturnValue(nowMs + WINDOW_MS)
  await acquire(limiter, 1)
  expect(asked).toBe(3)
})

test('without an answer none is given, the error is told, and it is asked again a second later', async () => {
  const limiter = limiterOf(3)
  isAway = true
  expect(await acquire(limiter, 2)).toEqual([1000, 1000])
  expect(errors).toEqual([new Error('Redis is away')])
  isAway = false
  expect([limiter.isUsedUp(performance.now()), await acquire(limiter, 2)]).toEqual([false, [0, 0]])
})

test.each([
  [{ max: 1 }, 1000],
  [{ max: 1, windowSeconds: 7 }, 7000],
])('a window lasts a second, or so many as it is given', async (options, windowMs) => {
  const limiter = new QueueLimiter(connection, 's', options, error => void errors.push(error))
  expect(await acquire(limiter, 2)).toEqual([0, windowMs])
})
