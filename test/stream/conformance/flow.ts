import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { until } from '../../support/redis.ts'
import {
  GROUP,
  idsOf,
  jobs,
  name,
  pendingOf,
  poolOf,
  queueOf,
  redis,
  work,
  workers,
} from '../../support/stream-harness.ts'

const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('the rate limiter', () => {
  test('two workers begin at most `max` handlers in a window; no delivery is counted, nothing is lost', async () => {
    const begun: { atMs: number; deliveries: number }[] = []
    const limiter = { max: 20, windowSeconds: 1 }
    const handler = ({ deliveries }: { deliveries: number }) => void begun.push({ atMs: performance.now(), deliveries })
    const [one, two] = [work(handler, { limiter }), work(handler, { limiter })]
    await Promise.all([once(one, 'ready'), once(two, 'ready')])
    await queueOf().addBulk(jobs(50))
    await until('all are done', isEmptied)
    expect(begun).toHaveLength(50)
    expect(begun.every(({ deliveries }) => deliveries === 1)).toBe(true)
    // Windows are fixed: of 50 the last ten must lie behind two borders.
    expect((begun[40]?.atMs ?? 0) - (begun[0]?.atMs ?? 0)).toBeGreaterThan(1000)
    for (const [index, { atMs }] of begun.entries()) {
      const within = begun.slice(index).filter(other => other.atMs - atMs < 1000)
      expect(within.length).toBeLessThanOrEqual(40)
    }
  })

  test('a limit that is no whole number is refused at once', () => {
    expect(() => work(() => undefined, { limiter: { max: 0.5 } })).toThrow('limiter.max must be a whole number')
  })
})

describe('hundreds of idle streams', () => {
  const STREAMS = 300

  test('cost next to nothing, and a new entry in any of them is picked up at once', async () => {
    const pool = poolOf(100)
    const pickedUp: number[] = []
    const streams = Array.from({ length: STREAMS }, (_, index) => `${name}-${index}`)
    for (const stream of streams) {
      work(entry => void pickedUp.push(Date.now() - Number(entry.fields.n)), { pool }, stream)
    }
    await Promise.all(workers.map(worker => once(worker, 'ready')))
    for (let round = 0; round < 10; round++) {
      const stream = streams[(round * 97) % STREAMS] ?? ''
      await queueOf(stream).add({ n: String(Date.now()) })
      await until(`the entry of ${stream}`, () => pickedUp.length === round + 1)
    }
    // 150 ms on a quiet machine; a busy one may not fail the test.
    expect(pickedUp.sort((a, b) => a - b)[5]).toBeLessThan(500)
  })
})

describe('`>` never gives back own pending entries', () => {
  test('a consumer with a name of its own looks for those of the process before it at its start', async () => {
    await queueOf().ensureGroup()
    const { id } = await queueOf().add({ n: '1' })
    await redis.probe.xreadgroup('GROUP', GROUP, 'frozen', 'COUNT', 1, 'STREAMS', name, '>')
    const seen: string[] = []
    work(entry => void seen.push(entry.id), { consumer: 'frozen', claimMinIdleMs: 300 })
    await until('it is done', isEmptied)
    expect([seen, await pendingOf()]).toEqual([[id], 0])
  })
})

describe('abandoned entries', () => {
  test('come before new ones, although no slot is ever free', async () => {
    await queueOf().ensureGroup()
    const abandonedIds = idsOf(await queueOf().addBulk(jobs(4)))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 4, 'STREAMS', name, '>')
    await queueOf().addBulk(jobs(3000, 4))
    const seen: string[] = []
    work(
      async entry => {
        seen.push(entry.id)
        await new Promise(resolve => setTimeout(resolve, 5))
      },
      { concurrency: 2, claimMinIdleMs: 500 },
    )
    await until('all four', () => abandonedIds.every(id => seen.includes(id)))
    expect(seen.length).toBeLessThan(2500)
  })

  test('behind more live ones than a claim looks at are found: its cursor is followed to the end', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(1500))
    await redis.probe.xreadgroup('GROUP', GROUP, 'live', 'COUNT', 1500, 'STREAMS', name, '>')
    const ids = idsOf(await queueOf().addBulk(jobs(3)))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 3, 'STREAMS', name, '>')
    for (const id of ids) await redis.probe.xclaim(name, GROUP, 'dead', 0, id, 'IDLE', 3_600_000, 'JUSTID')
    const seen: string[] = []
    work(entry => void seen.push(entry.id))
    await until('the abandoned three', () => seen.length === 3)
    expect(seen.sort()).toEqual([...ids].sort())
  })

  test('that nobody else took are their worker’s own again, and kept alive', async () => {
    let seen = await standstill(`${name}-0`)
    // Where the machine itself stood still, another worker took it with good reason: that shows nothing.
    for (let again = 1; seen.longestGapMs > 400 && again < 5; again++) seen = await standstill(`${name}-${again}`)
    // The process stood still and lives: nothing is counted.
    expect([seen.first, seen.second, seen.deliveries]).toEqual([1, 0, 1])
  })
})

/** A worker’s process stands still past min-idle with an entry in flight; afterwards a second worker looks for three min-idles. */
async function standstill(stream: string) {
  const gate = Promise.withResolvers<void>()
  let [first, second, longestGapMs] = [0, 0, 0]
  const options = { claimMinIdleMs: 1200 }
  const handler = async () => {
    first += 1
    await gate.promise
  }
  const worker = work(handler, options, stream)
  await queueOf(stream).add({ n: '1' })
  await until('it runs', () => first === 1)
  const stalled = once(worker, 'stalled')
  const frozenUntil = performance.now() + 1300
  while (performance.now() < frozenUntil);
  await stalled
  const pending = async () =>
    ((await redis.probe.xpending(stream, GROUP, '-', '+', 1)) as [string, string, number, number][])[0]
  await until('it has been claimed back', async () => Number((await pending())?.[2]) < options.claimMinIdleMs)
  work(() => void second++, options, stream)
  const startedAt = performance.now()
  let lastTickAt = startedAt
  await until('three min-idles', () => {
    const now = performance.now()
    longestGapMs = Math.max(longestGapMs, now - lastTickAt)
    lastTickAt = now
    return now - startedAt > 3600
  })
  const deliveries = (await pending())?.[3]
  gate.resolve()
  await until('an empty stream', async () => (await redis.probe.xlen(stream)) === 0)
  return { first, second, deliveries, longestGapMs }
}
