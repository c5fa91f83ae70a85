import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
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
