import { expect, test } from '@jest/globals'
import { createLogger } from '#runtime/logger.ts'
import { createUpkeepWorker, type UpkeepWorkerOptions } from '#workers/upkeep.worker.ts'

test('a round that hangs does not keep the process beyond its deadline', async () => {
  const hangs = new Promise<void>(() => undefined)
  const logger = createLogger('test', 'silent')
  const kysely = { connection: () => ({ execute: () => hangs }) }
  const upkeep = createUpkeepWorker({
    reconciler: { reconcile: async () => undefined, refill: async () => undefined },
    balance: { round: async () => undefined },
    droppedRetries: { revive: async () => undefined },
    upkeep: { kysely, logger },
    reconcileIntervalMs: 1000,
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
