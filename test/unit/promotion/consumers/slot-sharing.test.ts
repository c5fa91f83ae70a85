import { beforeEach, expect, jest, test } from '@jest/globals'
import type { Promotion } from '#database/promotions/promotions.ts'
import { SlotSharing, type SlotSharingDeps } from '#promotion/consumers/slot-sharing.ts'
import { createLogger } from '#runtime/logger.ts'

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
const promotion = (id: string, more: Partial<Promotion> = {}) => ({ id, status: 'IN_PROGRESS', ...more }) as Promotion

let asked: string[][]
let workers: Record<string, { concurrency: number; weight: number; inFlight: number; isPaused(): boolean }>
let deps: SlotSharingDeps

beforeEach(() => {
  asked = []
  const worker = () => ({ concurrency: 1000, weight: 1, inFlight: 0, isPaused: () => false })
  workers = { 1: worker(), 2: worker() }
  deps = {
    registry: {
      get contexts() {
        return Object.entries(workers).map(([promotionId, each]) => ({ promotionId, worker: each })) as never
      },
    },
    pool: { maxInFlight: 100 },
    slotsMax: 100,
    giftsLeft: async ids => {
      asked.push([...ids])
      return new Map(ids.map(id => [id, 1000]))
    },
    countWorkers: async () => 2,
    callsWaiting: () => 0,
    logger: createLogger('test', 'silent'),
  }
})

const weights = () => Object.values(workers).map(({ weight }) => weight)

/** One gift that has its slot for so long, by the clock that it is timed with. */
async function pay(sharing: SlotSharing, ms: number): Promise<void> {
  const clock = jest
    .spyOn(performance, 'now')
    .mockReturnValueOnce(1000)
    .mockReturnValueOnce(1000 + ms)
  await sharing.timed(async () => undefined)()
  clock.mockRestore()
}

test('without deadlines each has its own weight, and nothing is read', async () => {
  const sharing = new SlotSharing(deps)
  await pay(sharing, 1)
  await sharing.share([promotion('1', { weight: 3 }), promotion('2'), promotion('3', { deadlineAt: inSeconds(60) })])
  expect(weights()).toEqual([3, 1])
  expect(asked).toEqual([])
})

test('by the gifts that are left, the time that each takes, and the workers that share them', async () => {
  const sharing = new SlotSharing(deps)
  await pay(sharing, 100)
  await sharing.share([promotion('1', { deadlineAt: inSeconds(15.5) }), promotion('2')])
  expect(asked).toEqual([['1']])
  // 1,000 gifts of 0.1 s in ten seconds are ten slots, five of them here: less than half of the slots is its due anyway.
  expect(weights()).toEqual([50, 50])
  // In three seconds 34, 17 of them here; its own weight is a tenth.
  await sharing.share([promotion('1', { deadlineAt: inSeconds(8) }), promotion('2', { weight: 9 })])
  expect(workers[1]!.weight).toBeGreaterThan(14)
  expect(workers[1]!.weight).toBeLessThan(26)
  expect(workers[1]!.weight + workers[2]!.weight).toBe(100)
  // Missed: nothing is to be kept any more.
  await sharing.share([promotion('1', { deadlineAt: inSeconds(-1) }), promotion('2')])
  expect(weights()).toEqual([1, 1])
})

test('what does not run or is alone is in nobody’s way', async () => {
  const sharing = new SlotSharing(deps)
  await pay(sharing, 10)
  workers[2]!.isPaused = () => true
  await sharing.share([promotion('1', { deadlineAt: inSeconds(60) }), promotion('2', { status: 'PAUSED' })])
  expect([weights(), asked]).toEqual([[1, 1], []])
})

test('servers that do not answer leave it as it was', async () => {
  workers[1]!.weight = 7
  const giftsLeft = () => Promise.reject(new Error('away'))
  const sharing = new SlotSharing({ ...deps, giftsLeft })
  await pay(sharing, 10)
  await sharing.share([promotion('1', { deadlineAt: inSeconds(60) }), promotion('2')])
  expect(weights()).toEqual([7, 1])
})

test('an entry that comes again has used a slot, and is no gift', async () => {
  const sharing = new SlotSharing({ ...deps, countWorkers: async () => 1 })
  await pay(sharing, 20)
  await sharing.timed(() => new Promise<string>(resolve => setTimeout(resolve, 180, 'later')))()
  // 1,000 gifts of 0.2 s in four seconds: 50 slots; 0.02 s would be 5, and 0.1 s 25.
  await sharing.share([promotion('1', { deadlineAt: inSeconds(8), weight: 1 }), promotion('2', { weight: 4 })])
  expect(workers[1]!.weight).toBeGreaterThan(55)
})

test('where calls wait, the pool is cut down to what has work; all of it is there again for one alone', async () => {
  const waiting = { calls: 90 }
  workers[1]!.inFlight = workers[2]!.inFlight = 50
  const sharing = new SlotSharing({ ...deps, callsWaiting: () => waiting.calls })
  await sharing.service.start()
  const until = async (isSo: () => boolean) => {
    for (let look = 0; !isSo() && look < 200; look++) await new Promise(resolve => setTimeout(resolve, 10))
  }
  await until(() => deps.pool.maxInFlight === 20)
  expect(deps.pool.maxInFlight).toBe(20)
  delete workers[2]
  await until(() => deps.pool.maxInFlight === 100)
  expect(deps.pool.maxInFlight).toBe(100)
  await sharing.service.stop()
})
