import { setTimeout as sleep } from 'node:timers/promises'
import { createStreamConnection, StreamQueue, StreamWorker } from '#stream/index.ts'
import { startTestRedis, until } from './redis.ts'

export interface FailoverRun {
  entries: number
  losses: number
  workers: number
  concurrency: number
  /** Longest job, in ms; the shortest takes a fifth of it. */
  jobMs: number
  /** How much each failover forgets, in ms. */
  lostMs: number
  minIdleMs: number
}

export interface FailoverReport {
  entries: number
  losses: number
  /** Losses that took back acknowledgements or hand-outs. */
  lossesThatHurt: number
  missing: number
  /** Runs beyond one an entry. */
  extraRuns: number
  /** Acknowledgements that the server forgot, and hand-outs that another worker may have been given. */
  lost: number
  left: number
  pending: number
  /** Entries that a worker began while it was at them already. */
  begunTwice: number
  deadLetters: number
  inFlightMost: number
  inFlightLeast: number
  inFlightAtEnd: number
  closeMsMax: number
  seconds: number
}

const GROUP = 'workers'

/**
 * Workers empty a stream while the server is replaced, again and again, by an older copy of itself: what a failover does
 * whose replica lags. (SIGKILL alone loses nothing: the page cache survives.)
 */
export async function failOver(run: FailoverRun): Promise<FailoverReport> {
  const redis = await startTestRedis({ settings: () => ({ appendonly: 'no', save: '' }) })
  const { probe, url } = redis
  const stream = 'failover'
  const runs = new Map<string, number>()
  const running = new Map<string, number>()
  let [most, least, lost, lossesThatHurt, begunTwice] = [0, 0, 0, 0, 0]
  const connections = Array.from({ length: run.workers }, () => createStreamConnection({ url, name: 'failover' }))
  const queue = new StreamQueue<{ n: string }>(stream, { connection: connections[0]!, group: GROUP, codec: 'flat' })
  try {
    await Promise.all(connections.map(connection => connection.ready()))
    await queue.ensureGroup()
    const ids = (await queue.addBulk(Array.from({ length: run.entries }, (_, index) => ({ n: String(index) })))).map(
      ({ id }) => id,
    )
    const workers = connections.map(connection => {
      const own = new Set<string>()
      const handler = async ({ id }: { id: string }) => {
        if (own.has(id)) begunTwice += 1
        own.add(id)
        running.set(id, (running.get(id) ?? 0) + 1)
        await sleep(run.jobMs * (0.2 + 0.8 * Math.random()))
        running.set(id, (running.get(id) ?? 0) - 1)
        runs.set(id, (runs.get(id) ?? 0) + 1)
        own.delete(id)
      }
      const { concurrency, minIdleMs } = run
      const options = { connection, group: GROUP, codec: 'flat' as const, concurrency, claimMinIdleMs: minIdleMs }
      return new StreamWorker<{ n: string }>(stream, handler, options).on('error', () => undefined)
    })
    const look = setInterval(() => {
      for (const { inFlight } of workers) [most, least] = [Math.max(most, inFlight), Math.min(least, inFlight)]
    }, 1)
    const startedAt = performance.now()
    for (let loss = 0; loss < run.losses; loss++) {
      await until('it works', () => workers.some(({ inFlight }) => inFlight > 0) || runs.size >= run.entries, 60_000)
      const copied = ((await probe.xrange(stream, '-', '+')) as [string, unknown][]).map(([id]) => id)
      await probe.call('SAVE')
      await sleep(run.lostMs)
      // What runs is not begun again by the worker that has it; another one may be given it.
      const mayRunAgain = (id: string) => runs.has(id) || (run.workers > 1 && (running.get(id) ?? 0) > 0)
      const forgotten = copied.filter(mayRunAgain).length
      redis.server.signal('SIGKILL')
      await redis.server.gone()
      await redis.server.start()
      lost += forgotten
      lossesThatHurt += Number(forgotten > 0)
    }
    const isOver = async () => (await probe.xlen(stream).catch(() => -1)) === 0
    await until('an empty stream', isOver, 120_000)
    await until('nothing in flight', () => workers.every(({ inFlight }) => inFlight === 0), 20_000)
    const pending = ((await probe.xpending(stream, GROUP)) as [number])[0]
    const closeMs = await Promise.all(
      workers.map(async worker => {
        const askedAt = performance.now()
        await worker.close()
        return performance.now() - askedAt
      }),
    )
    clearInterval(look)
    return {
      entries: run.entries,
      losses: run.losses,
      lossesThatHurt,
      missing: ids.filter(id => !runs.has(id)).length,
      extraRuns: [...runs.values()].reduce((sum, count) => sum + count - 1, 0),
      lost,
      left: await probe.xlen(stream),
      pending,
      begunTwice,
      deadLetters: await probe.xlen(`${stream}:dead-letter`),
      inFlightMost: most,
      inFlightLeast: least,
      inFlightAtEnd: Math.max(...workers.map(({ inFlight }) => inFlight)),
      closeMsMax: Math.round(Math.max(...closeMs)),
      seconds: Math.round((performance.now() - startedAt) / 1000),
    }
  } finally {
    await Promise.all(connections.map(connection => connection.close()))
    await redis.stop()
  }
}

/** What the report breaks of the promise; empty = nothing. */
export function brokenBy(report: FailoverReport, run: FailoverRun): string[] {
  const { missing, left, pending, begunTwice, deadLetters, inFlightAtEnd } = report
  const zero = { missing, left, pending, begunTwice, deadLetters, inFlightAtEnd }
  const broken = Object.entries(zero).flatMap(([name, count]) => (count === 0 ? [] : [`${name} ${count}`]))
  if (report.extraRuns > report.lost) broken.push(`${report.extraRuns} extra runs, ${report.lost} lost`)
  if (report.inFlightLeast < 0 || report.inFlightMost > run.concurrency)
    broken.push(`in flight ${report.inFlightLeast} to ${report.inFlightMost}`)
  if (report.closeMsMax > 2000) broken.push(`close took ${report.closeMsMax} ms`)
  if (report.lossesThatHurt === 0) broken.push('no loss hurt')
  return broken
}
