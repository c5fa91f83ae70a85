import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { createRevokedSessions } from '#admin/security/revoked-sessions.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function fakeRedis() {
  const kept = new Map<string, unknown[]>()
  const state = { answers: async <T>(value: T): Promise<T> => value }
  const client = {
    set: (key: string, ...how: unknown[]) => state.answers('OK').then(() => void kept.set(key, how)),
    exists: (key: string) => state.answers(Number(kept.has(key))),
  } as never
  return { client, kept, state }
}

test('what was logged out at one admin is at all of them, for as long as its cookie lasts', async () => {
  const { client, kept } = fakeRedis()
  const [one, other] = [createRevokedSessions(client, 60), createRevokedSessions(client, 60)]
  expect(await other.has('a')).toBe(false)
  await one.add('a')
  expect([await one.has('a'), await other.has('a'), await other.has('b')]).toEqual([true, true, false])
  expect([...kept.values()]).toEqual([['1', 'EX', 60]])
})

test.each([
  ['is away', () => Promise.reject(new Error('Redis is away'))],
  ['does not answer', () => new Promise(() => undefined)],
])('while Redis %s, what was logged out here is refused, and nobody else is', async (_name, answers) => {
  const { client, state } = fakeRedis()
  state.answers = answers as never
  const revoked = createRevokedSessions(client, 60)
  const adding = revoked.add('a')
  await jest.advanceTimersByTimeAsync(500)
  await adding
  expect(await revoked.has('a')).toBe(true)
  const others = revoked.has('b')
  await jest.advanceTimersByTimeAsync(500)
  expect(await others).toBe(false)
})
