import { describe, expect, test } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { connection, jobs, name, pendingOf, queueOf, redis, work } from '../../support/stream-harness.ts'

const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('Redis', () => {
  test('restarted between handler and acknowledgement: the ack is tried again, quietly, and nothing is run twice', async () => {
    const gates: (() => void)[] = []
    const seen: string[] = []
    const worker = work(
      async entry => {
        await new Promise<void>(resolve => gates.push(resolve))
        seen.push(entry.fields.n)
      },
      { concurrency: 40 },
    )
    let errors = 0
    worker.on('error', () => void errors++)
    await queueOf().addBulk(jobs(40))
    await until('40 running', () => gates.length === 40)
    await redis.server.stop()
    try {
      const startedAt = performance.now()
      for (const [index, open] of gates.splice(0).entries()) {
        open()
        await until('it is through', () => seen.length === index + 1)
      }
      await until('a second without Redis', () => performance.now() - startedAt > 1000)
    } finally {
      await redis.server.start()
    }
    // One attempt each 200 ms, not one for each entry that became done meanwhile.
    expect(errors).toBeLessThan(25)
    await until('an empty stream', () => isEmptied().catch(() => false))
    expect([new Set(seen).size, seen.length, await pendingOf()]).toEqual([40, 40, 0])
  })

  test('away: an add rejects at once, and no offline queue runs it later', async () => {
    await redis.server.stop()
    try {
      await until('the connection is lost', () => !connection.isUsable)
      const startedAt = performance.now()
      await expect(queueOf().add({ n: 'late' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
      expect(performance.now() - startedAt).toBeLessThan(1000)
    } finally {
      await redis.server.start()
    }
    await until('the connection is back', () => connection.isUsable)
    await connection.ping()
    expect(await redis.probe.exists(name)).toBe(0)
  })
})
