import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import type { Random } from '../../simulation/random.ts'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import type { Findings, Scenario } from '../scenario.ts'

const SWEEP_AGE_SECONDS = 15
/** Everything that is left to do, in a promotion that is hardly being worked at. */
const SLOW = { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '1' }

interface Part extends Findings {
  system: ChaosSystem
  gifts: number
  random: Random
}

/**
 * Redis wiped while gifts wait (they are back on the stream soon after the sweep age), wiped and
 * rebuilt by hand (at once), wiped in the middle of the gifts, and killed again and again under load.
 */
export const redisLoss: Scenario = {
  about: 'Redis wiped, rebuilt, and killed again and again',
  messages: 40_000,
  run: async ({ messages, random, start }) => {
    const part: Part = { system: await start(), gifts: Math.ceil(messages / 4), random, figures: {}, checks: {} }
    await wipedWhileWaiting(part)
    await wipedInTheMiddle(part)
    await killedUnderLoad(part)
    return part
  },
}

/** Paid, or on the stream to be paid. */
async function accountedFor(system: ChaosSystem, promotion: DemoPromotion): Promise<boolean> {
  const length = await system.redis.xlen(system.streamKey(promotion))
  const { PENDING } = await system.count(promotion)
  return length >= PENDING
}

async function wipedWhileWaiting({ system, gifts, figures, checks }: Part): Promise<void> {
  const flushes = 3
  await system.control({ latencyMs: 900 })
  const [listener, worker] = await Promise.all([system.child('listener'), system.child('worker', SLOW)])
  const promotion = await system.plan(gifts)
  await system.run(promotion)
  await system.publish(promotion)
  await system.until('all on the stream', async () => (await system.rows(promotion)) === gifts)
  const backSeconds: number[] = []
  for (let flush = 1; flush <= flushes; flush++) {
    await system.until('all on the stream', () => accountedFor(system, promotion))
    await system.wipeRedis()
    backSeconds.push(await system.until('all back on the stream', () => accountedFor(system, promotion)))
    say(`FLUSHALL ${flush}/${flushes}: back after ${backSeconds.at(-1)} s`)
  }
  await system.wipeRedis()
  const startedAt = performance.now()
  const output = await rebuild(system, promotion.id)
  // How long it took says how busy the machine is: when it has ended all must be there.
  checks.rebuiltAtOnce = await accountedFor(system, promotion)
  figures.rebuildSeconds = seconds(startedAt)
  say(`rebuild: back after ${figures.rebuildSeconds} s: ${output}`)
  figures.waiting = (await system.count(promotion)).PENDING
  figures.backAfterFlushSeconds = backSeconds
  checks.backInTime = backSeconds.every(back => back <= SWEEP_AGE_SECONDS + 30)
  await system.control({ latencyMs: 50 })
  await Promise.all([worker.stop(), listener.stop()])
}

async function rebuild(system: ChaosSystem, promotionId: string): Promise<string> {
  const child = spawn(process.execPath, ['src/bin/cli.ts', 'rebuild', promotionId], { env: system.env })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`rebuild ended with ${code}`)
  return output.trim()
}

async function wipedInTheMiddle({ system, gifts, figures }: Part): Promise<void> {
  await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
  const promotion = await system.plan(gifts)
  await system.run(promotion)
  const publishing = system.publish(promotion)
  await system.until('half of them paid', async () => (await system.count(promotion)).SUCCESS > gifts / 4, 120_000, 10)
  await system.wipeRedis()
  const { SUCCESS } = await system.count(promotion)
  await publishing
  figures.paidAtFlush = SUCCESS
  figures.paidAfterFlushSeconds = await system.drain()
}

async function killedUnderLoad({ system, gifts, figures, random }: Part): Promise<void> {
  const kills = Math.min(20, Math.ceil(gifts / 500))
  const promotion = await system.plan(gifts * 2, 'POINT')
  await system.run(promotion)
  const publishing = system.publish(promotion)
  let inFlight = 0
  const server = system.stack.servers.redis!
  for (let kill = 1; kill <= kills; kill++) {
    await sleep(random.between(300, 1000))
    const { PENDING } = await system.count(promotion)
    if (PENDING > 0 || (await system.rows(promotion)) < gifts * 2) inFlight += 1
    system.repeats += 2 * system.callsAtOnce
    server.signal('SIGKILL')
    await server.gone()
    await server.start()
    say(`Redis killed ${kill}/${kills}`)
  }
  await publishing
  figures.kills = kills
  figures.killsWithWorkInFlight = inFlight
}
