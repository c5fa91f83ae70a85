import { expect, test } from '@jest/globals'
import { StreamConsumer } from '#stream/consumer.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { resolveWorkerOptions } from '#stream/worker-options.ts'

test('a consumer asks for upkeep while its server is there, and does not ask one that is away', async () => {
  const connection = createMemoryConnection(new MemoryServer())
  await connection.ready()
  const consumer = new StreamConsumer({
    name: 's',
    handler: () => undefined,
    options: resolveWorkerOptions('s', { connection }) as never,
    pool: {} as never,
    signal: new AbortController().signal,
    announce: () => undefined,
  })
  expect(consumer.isDue(performance.now(), false)).toBe(true)
  await connection.close()
  expect(consumer.isDue(performance.now(), false)).toBe(false)
})
