import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { Redis } from 'ioredis'
import { logOutages } from '#runtime/redis-outage.ts'

beforeEach(() => void jest.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00Z') }))
afterEach(() => void jest.useRealTimers())

/** A client whose socket is tried again twice a second while its server is away. */
function awayClient() {
  const client = Object.assign(new EventEmitter(), { status: 'reconnecting' })
  const lines: string[] = []
  const log = (_fields: unknown, text?: string) => void lines.push(text ?? '')
  logOutages(client as unknown as Redis, 'REDIS_URL', { warn: log, info: log, debug: () => undefined } as never)
  const away = (seconds: number) => {
    for (let tries = 0; tries < seconds * 2; tries += 1) {
      client.emit('error', new Error('connect ECONNREFUSED'))
      client.emit('reconnecting')
      jest.advanceTimersByTime(500)
    }
  }
  return { client, lines, away }
}

const SINCE = 'Redis (REDIS_URL) is away since 2026-01-01T00:00:00.000Z: connect ECONNREFUSED'

test('an outage of five minutes is a line a minute with its beginning, and one when it is over', () => {
  const { client, lines, away } = awayClient()
  client.emit('ready')
  away(300)
  client.emit('ready')
  expect(lines).toEqual([...Array.from({ length: 5 }, () => SINCE), 'Redis (REDIS_URL) is back after 300 s'])
})

test('the next outage is told at once', () => {
  const { client, lines, away } = awayClient()
  client.emit('ready')
  away(1)
  client.emit('ready')
  away(1)
  expect(lines.slice(1)).toEqual([
    'Redis (REDIS_URL) is back after 1 s',
    'Redis (REDIS_URL) is away since 2026-01-01T00:00:01.000Z: connect ECONNREFUSED',
  ])
})

test('one that has never been there is not away: its start says why', () => {
  const { lines, away } = awayClient()
  away(90)
  expect(lines).toEqual([])
})
