import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { StreamConnection } from '#stream/connection.ts'
import { IMMEDIATE_LINK } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { StoredDelays } from '#stream/stored-delays.ts'

const YEAR_MS = 366 * 24 * 3_600_000

let nowMs: number
let connection: StreamConnection
let errors: string[]
let isAway: boolean
let delays: StoredDelays

beforeEach(async () => {
  ;[nowMs, errors, isAway] = [1_000_000, [], false]
  connection = createMemoryConnection(new MemoryServer({ clock: () => nowMs }), {
    link: {
      ...IMMEDIATE_LINK,
      carry: (command, execute, settle) =>
        IMMEDIATE_LINK.carry(command, () => (isAway ? { error: new Error('Redis is away') } : execute()), settle),
    },
  })
  await connection.ready()
  delays = new StoredDelays(connection, 's', error => void errors.push(String(error)))
})
afterEach(() => connection.close())

const rest = async (...ids: string[]) => Object.fromEntries(await delays.restOf(ids))

test('whoever takes an entry over waits for the rest of its delay, and for none that is over', async () => {
  delays.store('1-0', 5000.2)
  delays.store('2-0', 2000)
  expect(await rest('1-0', '2-0', '3-0')).toEqual({ '1-0': 5001, '2-0': 2000 })
  nowMs += 1999
  expect(await rest('1-0', '2-0')).toEqual({ '1-0': 3002, '2-0': 1 })
  nowMs += 1
  expect(await rest('1-0', '2-0')).toEqual({ '1-0': 3001 })
})

test('a delay without an end is asked for again once a year', async () => {
  delays.store('1-0', Number.POSITIVE_INFINITY)
  expect(await rest('1-0')).toEqual({ '1-0': YEAR_MS })
})

test('an entry of another stream with the same id waits for nothing', async () => {
  delays.store('1-0', 5000)
  const others = new StoredDelays(connection, 't', error => void errors.push(String(error)))
  expect(await others.restOf(['1-0'])).toEqual(new Map())
})

test('what is forgotten waits no more', async () => {
  delays.store('1-0', 5000)
  delays.forget('1-0')
  expect(await rest('1-0')).toEqual({})
})

test('without an answer nothing waits, and each failure is told', async () => {
  delays.store('1-0', 5000)
  await rest('1-0')
  isAway = true
  expect(await rest('1-0')).toEqual({})
  delays.store('2-0', 5000)
  delays.forget('1-0')
  for (let turns = 0; turns < 3; turns++) await new Promise(resolve => void setImmediate(resolve))
  expect(errors).toEqual(Array(3).fill('Error: Redis is away'))
})
