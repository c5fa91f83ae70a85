import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { clearTimeout, setTimeout } from '#stream/clock.ts'
import { createTestQueue, retryLater, StreamPool, StreamQueue, StreamWorker } from '#stream/index.ts'

interface Mail {
  to: string
}

const HOUR_MS = 3_600_000

describe('a test queue', () => {
  test('hands jobs to a handler, without a Redis', async () => {
    await using mails = createTestQueue<Mail>()
    const worker = mails.worker(({ data }) => `sent to ${data.to}`)
    const completed = once(worker, 'completed')
    const { id } = await mails.queue.add({ to: 'ada' })
    expect((await completed).map(each => (each as { id?: string }).id ?? each)).toEqual([id, 'sent to ada'])
    await mails.clock.advance(1000)
    expect(await mails.queue.counts()).toEqual({ length: 0, pending: 0, waiting: 0 })
  })

  test('whose clock is moved: a job put off for an hour comes an hour later, not before', async () => {
    await using mails = createTestQueue<Mail>()
    const seenAtMs: number[] = []
    mails.worker(() => {
      seenAtMs.push(mails.clock.now())
      return seenAtMs.length < 2 ? retryLater({ delayMs: HOUR_MS, reason: 'not yet' }) : undefined
    })
    await mails.queue.add({ to: 'ada' })
    await mails.clock.advance(HOUR_MS / 2)
    expect(seenAtMs).toHaveLength(1)
    await mails.clock.advance(HOUR_MS / 2 + 1000)
    expect(seenAtMs).toHaveLength(2)
    expect((seenAtMs[1] as number) - (seenAtMs[0] as number)).toBeGreaterThanOrEqual(HOUR_MS)
    expect(await mails.queue.length()).toBe(0)
  }, 60_000)

  test('a rate limit’s windows pass with it', async () => {
    await using mails = createTestQueue<Mail>()
    let begun = 0
    mails.worker(() => void begun++, { concurrency: 10, limiter: { max: 2, duration: 60_000 } })
    await mails.queue.addBulk(Array.from({ length: 5 }, (_, index) => ({ to: String(index) })))
    await mails.clock.advance(1000)
    expect(begun).toBe(2)
    await mails.clock.advance(61_000)
    expect(begun).toBe(4)
    await mails.clock.advance(61_000)
    expect(begun).toBe(5)
  })

  test('what a dead worker had leased is claimed when its time has come', async () => {
    await using mails = createTestQueue<Mail>()
    await mails.queue.ensureGroup()
    await mails.queue.add({ to: 'ada' })
    let [first, second] = [0, 0]
    // One that hangs, and is closed by force: what it had is claimable at once.
    const dying = mails.worker(() => {
      first += 1
      return new Promise<void>(() => undefined)
    })
    await mails.clock.advance(1000)
    await dying.close(true)
    mails.worker(() => void second++)
    await mails.clock.advance(5000)
    expect([first, second]).toEqual([1, 1])
  })

  test('its connection serves pools and more queues; its group, codec and stream of letters are its workers’', async () => {
    await using mails = createTestQueue<{ id: bigint }>({
      group: 'g',
      codec: 'exact-json',
      deadLetterStream: 'letters',
    })
    const pool = new StreamPool({ connection: mails.connection, maxInFlight: 5 })
    const other = new StreamQueue('other', { connection: mails.connection })
    const seen: unknown[] = []
    mails.worker(({ data }) => {
      seen.push(data)
      throw Object.assign(new Error('no'), { name: 'UnrecoverableError' })
    })
    const worker = new StreamWorker('other', ({ data }) => void seen.push(data), { connection: mails.connection, pool })
    await mails.queue.add({ id: 2n ** 60n })
    await other.add({ n: 1 })
    await mails.clock.advance(1000)
    expect(seen).toEqual(expect.arrayContaining([{ id: 2n ** 60n }, { n: 1 }]))
    expect(await new StreamQueue('letters', { connection: mails.connection }).length()).toBe(1)
    expect((await mails.queue.pendingSummary()).count).toBe(0)
    await worker.close()
    await pool.close()
  })

  test('lets the time go when the last one is closed', async () => {
    const [one, two] = [createTestQueue(), createTestQueue()]
    await one.clock.advance(HOUR_MS / 60)
    expect(two.clock.now() - Date.now()).toBeGreaterThanOrEqual(HOUR_MS / 60 - 5)
    await one.close()
    await one.close()
    const three = createTestQueue()
    expect(three.clock.now() - Date.now()).toBeGreaterThanOrEqual(HOUR_MS / 60 - 5)
    await Promise.all([two.close(), three.close()])
    const fresh = createTestQueue()
    expect(Math.abs(fresh.clock.now() - Date.now())).toBeLessThan(1000)
    await fresh.close()
    await expect(fresh.clock.advance(-1)).rejects.toThrow('ms must be a whole number from 0 on')
  })
})

describe('a worker’s pause', () => {
  /** A worker whose one job ends when the test says so, and what it announces from then on. */
  async function busy(mails: ReturnType<typeof createTestQueue<Mail>>) {
    const end = Promise.withResolvers<void>()
    const worker = mails.worker(() => end.promise)
    const active = once(worker, 'active')
    await mails.queue.add({ to: 'ada' })
    await active
    const told: string[] = []
    for (const event of ['paused', 'resumed'] as const) worker.on(event, () => told.push(event))
    return { worker, told, end: () => end.resolve() }
  }

  test('is told once, when nothing runs any more, however often it was asked for', async () => {
    await using mails = createTestQueue<Mail>()
    const { worker, told, end } = await busy(mails)
    const pauses = [worker.pause(), worker.pause()]
    await worker.pause(true)
    expect(told).toEqual([])
    end()
    await Promise.all(pauses)
    expect(told).toEqual(['paused'])
  })

  test('that was taken back before its handlers ended is not told', async () => {
    await using mails = createTestQueue<Mail>()
    const { worker, told, end } = await busy(mails)
    const pause = worker.pause()
    worker.resume()
    end()
    await pause
    expect(told).toEqual(['resumed'])
  })

  test('that was taken back and asked for again is told once', async () => {
    await using mails = createTestQueue<Mail>()
    const { worker, told, end } = await busy(mails)
    const first = worker.pause()
    worker.resume()
    const second = worker.pause()
    end()
    await Promise.all([first, second])
    expect(told).toEqual(['resumed', 'paused'])
  })

  test('that waits for nobody is told at once', async () => {
    await using mails = createTestQueue<Mail>()
    const { worker, told, end } = await busy(mails)
    await worker.pause(true)
    expect([told, worker.inFlight]).toEqual([['paused'], 1])
    end()
  })
})

describe('timers on a test queue’s clock', () => {
  test('run once, in the order of their times; a stopped one never', async () => {
    await using mails = createTestQueue<Mail>()
    const ran: string[] = []
    setTimeout(() => ran.push('late'), 2000)
    setTimeout(() => ran.push('early'), 1000)
    const stopped = setTimeout(() => ran.push('stopped'), 1500)
    clearTimeout(stopped)
    await mails.clock.advance(900)
    expect(ran).toEqual([])
    await mails.clock.advance(1200)
    expect(ran).toEqual(['early', 'late'])
    await mails.clock.advance(5000)
    expect(ran).toEqual(['early', 'late'])
  })

  test('go by without being moved, too', async () => {
    await using _mails = createTestQueue<Mail>()
    const startedAtMs = performance.now()
    await new Promise<void>(resolve => void setTimeout(resolve, 30))
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(29)
  })

  test('keep nothing of Node’s when all of them have run or were stopped', async () => {
    const timersNow = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
    const before = timersNow()
    const mails = createTestQueue<Mail>()
    const stopped = setTimeout(() => undefined, 60_000)
    expect(timersNow()).toBe(before + 1)
    clearTimeout(stopped)
    expect(timersNow()).toBe(before)
    await new Promise<void>(resolve => void setTimeout(resolve, 5))
    expect(timersNow()).toBe(before)
    await mails[Symbol.asyncDispose]()
  })

  test('Node’s own are stopped by the same call', async () => {
    let ran = 0
    const own = globalThis.setTimeout(() => ran++, 10)
    await using _mails = createTestQueue<Mail>()
    clearTimeout(own)
    await new Promise(resolve => globalThis.setTimeout(resolve, 30))
    expect(ran).toBe(0)
  })
})
