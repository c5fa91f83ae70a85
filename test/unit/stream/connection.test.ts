import { expect, test } from '@jest/globals'
import type { Cluster, Redis } from 'ioredis'
import { clientOf, createStreamConnection } from '#stream/connection.ts'

const url = 'redis://127.0.0.1:1'

test('a command waits for five seconds, in a cluster, which may have to change a node, for eight', () => {
  expect(timeoutOf({ url })).toBe(5000)
  expect(timeoutOf({ url, cluster: true })).toBe(8000)
})

test('or for as long as is said', () => {
  expect(timeoutOf({ url, commandTimeoutMs: 700 })).toBe(700)
  expect(timeoutOf({ url, cluster: true, commandTimeoutMs: 700 })).toBe(700)
})

function timeoutOf(options: Parameters<typeof createStreamConnection>[0]): number | undefined {
  const client = clientOf(createStreamConnection(options))
  const { redisOptions } = client.options as Cluster['options']
  return (redisOptions ?? (client.options as Redis['options'])).commandTimeout
}
