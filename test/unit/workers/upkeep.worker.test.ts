import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { createLogger } from '#runtime/logger.ts'
import { createUpkeepWorker, type UpkeepWorkerOptions } from '#workers/upkeep.worker.ts'

test('a round that hangs does not keep the process beyond its deadline', async () => {
  const hangs = new Promise<void>(() => undefined)
  const logger = createLogger('test', 'silent')
  const kysely = { connection: () => ({ execute: () => hangs }) }
  const upkeep = createUpkeepWorker({
    statusFollower: { follow: async () => undefined },
    refills: { round: async () => undefined },
    balance: { round: async () => undefined },
    upkeep: { kysely, logger },
    followIntervalMs: 1000,
    sweepIntervalMs: 1000,
  } as unknown as UpkeepWorkerOptions)
  await upkeep.start()
  const deadline = new AbortController()
  let isStopped = false
  const stopping = upkeep.stop(deadline.signal).then(() => {
    isStopped = true
  })
  await new Promise(setImmediate)
  expect(isStopped).toBe(false)
  deadline.abort()
  await stopping
})

test('a status round that rejects is logged and comes again; the worker is alive only when one went through lately', async () => {
  const lines: string[] = []
  const logger = createLogger('test', 'silent')
  logger.warn = ((_fields: object, line: string) => void lines.push(line)) as never
  let isBroken = true
  let rounds = 0
  const upkeep = createUpkeepWorker({
    statusFollower: {
      follow: async () => {
        rounds += 1
        if (isBroken) throw new Error('PostgreSQL is away')
      },
    },
    refills: { round: async () => undefined },
    balance: { round: async () => undefined },
    upkeep: { kysely: { connection: () => ({ execute: async () => undefined }) }, logger, onLock: () => undefined },
    followIntervalMs: 5,
    sweepIntervalMs: 60_000,
  } as unknown as UpkeepWorkerOptions)
  await upkeep.start()
  try {
    expect(lines).toContain('status round failed: PostgreSQL is away')
    const failed = rounds
    while (rounds < failed + 2) await sleep(5)
    // Measured from the last one that went through: those that failed do not count.
    const before = upkeep.ageMs
    expect(() => upkeep.assertAlive(performance.now() + 20_000)).toThrow('no round for')
    isBroken = false
    while (upkeep.ageMs >= before) await sleep(1)
    expect(() => upkeep.assertAlive()).not.toThrow()
  } finally {
    await upkeep.stop()
  }
})
