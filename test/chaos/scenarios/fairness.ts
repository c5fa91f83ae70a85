import { type ChaosSystem, say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const SWEEP_AGE_MS = 15_000
const smallGifts = 500
/** The big one outlasts nine small ones beside it. */
const leastBigGifts = 20_000

/**
 * A worker that was started after the started event drains the promotion soon; small promotions beside a big one take
 * hardly longer than alone; a backlog that merely waits gets no second entries.
 */
export const fairness: Scenario = {
  about: 'a late worker, small promotions beside a big one, a backlog that waits',
  messages: 50_000,
  run: async ({ messages, start }) => {
    const system = await start()
    const listener = await system.child('listener')
    const lateSeconds = await lateWorker(system)
    const [aloneSeconds, besideSeconds] = await besideABigOne(system, Math.max(leastBigGifts, messages))
    const extraShare = await waiting(system, Math.ceil(messages * 0.4))
    await listener.stop()
    await system.child('listener')
    return {
      figures: {
        lateSeconds,
        aloneSeconds,
        besideSeconds,
        ratio: Math.round((besideSeconds / aloneSeconds) * 100) / 100,
        extraShare,
      },
      checks: { lateInTime: lateSeconds <= 10, fair: besideSeconds <= 2 * aloneSeconds, fewExtra: extraShare <= 0.01 },
    }
  },
}

async function prepared(system: ChaosSystem, gifts: number) {
  const promotion = await system.plan(gifts)
  await system.publish(promotion)
  await system.until('its rows', async () => (await system.rows(promotion)) === gifts)
  return promotion
}

/** From the start of the process to the last gift paid. */
async function lateWorker(system: ChaosSystem): Promise<number> {
  const promotion = await prepared(system, smallGifts)
  await system.run(promotion)
  const startedAt = performance.now()
  const worker = await system.child('worker')
  await system.drain([promotion])
  const lateSeconds = Math.round((performance.now() - startedAt) / 100) / 10
  say(`late worker: ${lateSeconds} s`)
  await worker.stop()
  return lateSeconds
}

async function besideABigOne(system: ChaosSystem, bigGifts: number): Promise<[number, number]> {
  const workers = await Promise.all([system.child('worker'), system.child('worker')])
  const nine = () => Promise.all(Array.from({ length: 9 }, () => prepared(system, smallGifts)))
  const runAll = async (promotions: Awaited<ReturnType<typeof nine>>) => {
    await Promise.all(promotions.map(promotion => system.run(promotion)))
    return system.drain(promotions)
  }
  const alone = await runAll(await nine())
  const [beside, big] = [await nine(), await prepared(system, bigGifts)]
  await system.run(big)
  await system.until('the big one is under way', async () => (await system.count(big)).SUCCESS > 1000, 60_000, 20)
  const besideSeconds = await runAll(beside)
  const { PENDING } = await system.count(big)
  if (PENDING === 0) throw new Error('the big promotion was done too soon to be a neighbour')
  say(`nine alone ${alone} s, beside the big one ${besideSeconds} s`)
  await system.drain([big])
  await Promise.all(workers.map(worker => worker.stop()))
  return [alone, besideSeconds]
}

/** The share of entries beyond the first of a row after three sweep ages in which next to nothing was paid. */
async function waiting(system: ChaosSystem, waitingGifts: number): Promise<number> {
  await system.control({ latencyMs: 500 })
  const slow = { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '4' }
  const workers = await Promise.all([system.child('worker', slow), system.child('worker', slow)])
  const promotion = await prepared(system, waitingGifts)
  await system.run(promotion)
  await system.until(
    'all on the stream',
    async () => (await system.entriesAdded(promotion).catch(() => 0)) >= waitingGifts,
  )
  const from = Date.now()
  await system.until('three sweep ages', async () => Date.now() - from > 3 * SWEEP_AGE_MS)
  const added = await system.entriesAdded(promotion)
  const { PENDING } = await system.count(promotion)
  say(`${PENDING} of ${waitingGifts} waited; ${added - waitingGifts} extra entries`)
  await system.control({ latencyMs: 50 })
  await Promise.all(workers.map(worker => worker.stop()))
  await Promise.all([system.child('worker'), system.child('worker')])
  return (added - waitingGifts) / waitingGifts
}
