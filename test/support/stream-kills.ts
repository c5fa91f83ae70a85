import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createStreamConnection, StreamQueue } from '#stream/index.ts'
import { startTestRedis, until } from './redis.ts'

export interface KillRun {
  entries: number
  kills: number
  workers: number
  minIdleMs: number
  jobMs: number
  concurrency: number
  /** Default 1,000: the kills are not the entries' fault. */
  maxDeliveries?: number
}

export interface KillReport {
  entries: number
  kills: number
  /** Kills of a worker that had leases. */
  killsThatHurt: number
  missing: number
  left: number
  pending: number
  deadLetters: number
  handledTwice: number
  /** From a kill to the moment when nothing is pending on the dead consumer, in ms. */
  recoveryMsMax: number
  seconds: number
}

const GROUP = 'workers'
const CHILD = fileURLToPath(new URL('stream-child.ts', import.meta.url))

export interface StreamChild {
  process: ChildProcess
  consumer: string
}

export function spawnStreamChild(url: string, stream: string, run: KillRun) {
  const args = [
    CHILD,
    url,
    stream,
    GROUP,
    ...[run.minIdleMs, run.jobMs, run.concurrency, run.maxDeliveries ?? 1000].map(String),
  ]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Resolves when it is ready. */
export async function startStreamChild(url: string, stream: string, run: KillRun): Promise<StreamChild> {
  const child = spawnStreamChild(url, stream, run)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { process: child, consumer: line.toString().trim() }
}

/** SIGKILLs one of the workers at random, again and again, and replaces it; then drains and counts. */
export async function killWorkers(run: KillRun, random: () => number = Math.random): Promise<KillReport> {
  const redis = await startTestRedis()
  const { probe, url } = redis
  const stream = 'kills'
  const connection = createStreamConnection({ url })
  await connection.ready()
  const queue = new StreamQueue(stream, { connection, group: GROUP, codec: 'flat' })
  await queue.ensureGroup()
  const ids = (await queue.addBulk(Array.from({ length: run.entries }, (_, index) => ({ n: String(index) })))).map(
    ({ id }) => id,
  )
  const children = await Promise.all(Array.from({ length: run.workers }, () => startStreamChild(url, stream, run)))
  const startedAt = performance.now()
  const recoveries: Promise<number>[] = []
  let killsThatHurt = 0
  const pendingOf = async (consumer: string) =>
    (await probe.xpending(stream, GROUP, '-', '+', 1, consumer).catch(() => [])).length
  const recovery = async (consumer: string, killedAt: number) => {
    await until(`nothing is pending on ${consumer}`, async () => (await pendingOf(consumer)) === 0, 120_000)
    return performance.now() - killedAt
  }
  try {
    for (let kill = 0; kill < run.kills; kill++) {
      await sleep(50 + random() * 200)
      const index = Math.floor(random() * run.workers)
      const victim = children[index] as StreamChild
      const hurts = until('it holds something', async () => (await pendingOf(victim.consumer)) > 0, 2000)
      killsThatHurt += await hurts.then(
        () => 1,
        () => 0,
      )
      victim.process.kill('SIGKILL')
      recoveries.push(recovery(victim.consumer, performance.now()))
      children[index] = await startStreamChild(url, stream, run)
    }
    const recoveryMs = await Promise.all(recoveries)
    await until('an empty stream', async () => (await probe.xlen(stream)) === 0, 300_000)
    const handled = await probe.hgetall(`${stream}:handled`)
    return {
      entries: run.entries,
      kills: run.kills,
      killsThatHurt,
      missing: ids.filter(id => handled[id] === undefined).length,
      left: await probe.xlen(stream),
      pending: ((await probe.xpending(stream, GROUP)) as [number])[0],
      deadLetters: await probe.xlen(`${stream}:dead-letter`),
      handledTwice: Object.values(handled).filter(count => count !== '1').length,
      recoveryMsMax: Math.round(Math.max(0, ...recoveryMs)),
      seconds: Math.round((performance.now() - startedAt) / 1000),
    }
  } finally {
    for (const child of children) child.process.kill('SIGKILL')
    await connection.close()
    await redis.stop()
  }
}
