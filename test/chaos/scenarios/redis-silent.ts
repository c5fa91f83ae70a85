import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import { type LossyProxy, startLossyProxy } from '../../support/lossy-proxy.ts'
import { startTestRedis, type TestRedis, until } from '../../support/redis.ts'
import type { Findings, Scenario } from '../scenario.ts'

const WORKING_AGAIN_SECONDS = 10
/** An interruption that is shorter may end between two questions of a probe. */
const SEEN_BY_PROBES_SECONDS = 3
const LEADS_ON_AFTER_MS = 3000
const READY_POLL_MS = 100

interface Part extends Findings {
  system: ChaosSystem
  processes: readonly Child[]
  gifts: number
  way: LossyProxy
  master: TestRedis
  successor: TestRedis
}

/**
 * Redis connections of listener, worker and admin that are there and do no good, under load: silent ones (no FIN, no RST),
 * half-closed ones, and a server that is demoted to a replica while its name leads to the new master three seconds later.
 * Each time the product works again within 10 s of when another socket would work: a new gift goes from Kafka to its
 * charge, and one that failed goes through BullMQ; meanwhile `/ready` says so.
 */
export const redisSilent: Scenario = {
  about:
    'Redis connections silent, half-closed, leading to a replica: working again within 10 s, /ready false meanwhile',
  messages: 9000,
  run: async ({ messages, start }) => {
    const [master, successor] = [await startTestRedis(), await startTestRedis()]
    const way = await startLossyProxy(master.url)
    const system = await start({
      servers: { REDIS_URL: master.url, REDIS_STREAM_URL: master.url },
      money: { faultPercent: 20 },
      env: {
        RETRY_BACKOFF_BASE_MS: '100',
        RETRY_BACKOFF_MAX_MS: '1000',
        REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '32',
      },
    })
    system.onClose(async () => {
      await way.stop()
      await Promise.all([master.stop(), successor.stop()])
    })
    const through = { REDIS_URL: way.url, REDIS_STREAM_URL: way.url }
    const kinds = ['listener', 'worker', 'admin'] as const
    const processes = await Promise.all(kinds.map(kind => system.child(kind, through)))
    const servers = { way, master, successor }
    const part: Part = { system, processes, gifts: Math.ceil(messages / 6), ...servers, figures: {}, checks: {} }
    await fault(part, 'silent', async () => way.silence())
    await fault(part, 'halfClosed', async () => way.halfClose())
    await follow(part)
    await fault(part, 'demoted', () => demote(part))
    part.checks.noneEnded = system.children.size === processes.length
    return { figures: part.figures, checks: part.checks }
  },
}

/** Under the load of one promotion; the gifts of another, published after it, tell when all works again. */
async function fault(part: Part, name: string, strike: () => Promise<void>): Promise<void> {
  const { system, gifts, way, figures, checks } = part
  const [load, after] = [await system.plan(gifts), await system.plan(gifts, 'POINT')]
  for (const promotion of [load, after]) await system.run(promotion)
  const publishing = system.publish(load)
  await system.until('the load is being paid', async () => (await system.count(load)).SUCCESS > gifts / 10, 60_000, 20)
  const { SUCCESS } = await system.count(load)
  const probes = watchReadiness(part.processes)
  system.repeats += part.processes.length * system.callsAtOnce
  const struckAt = performance.now()
  const opened = way.accepted
  await strike()
  const curableAt = performance.now()
  const published = Promise.all([publishing, system.publish(after)])
  const [paid, retried] = await Promise.all([
    paidAfter(system, after, curableAt, 1),
    paidAfter(system, after, curableAt, 2),
  ])
  const againSeconds = Math.max(paid, retried)
  await published
  await system.until('all are ready', async () => (await probes.states()).every(Boolean), 60_000)
  const notReady = probes.stop(struckAt)
  figures[name] = { paidSeconds: paid, retriedSeconds: retried, opened: way.accepted - opened, notReady }
  say(`${name}: ${JSON.stringify(figures[name])}`)
  checks[`${name}UnderLoad`] = SUCCESS < gifts
  checks[`${name}WorksAgain`] = againSeconds <= WORKING_AGAIN_SECONDS
  // Whoever was cut off for long has said so, and says that it is over.
  const outageSeconds = seconds(struckAt) - seconds(curableAt) + paid
  checks[`${name}ReadyToldTheTruth`] =
    outageSeconds < SEEN_BY_PROBES_SECONDS || Object.values(notReady).every(each => each.fromSeconds !== null)
  checks[`${name}ReadyAgain`] = Object.values(notReady).every(
    each => (each.untilSeconds ?? 0) <= WORKING_AGAIN_SECONDS + seconds(struckAt) - seconds(curableAt),
  )
}

/** The successor has everything, and gets what comes. */
async function follow({ master, successor }: Part): Promise<void> {
  const { hostname, port } = new URL(master.url)
  await successor.probe.replicaof(hostname, Number(port))
  await until(
    'the successor has everything',
    async () => (await successor.probe.info('replication')).includes('master_link_status:up'),
    20_000,
  )
}

/** The name leads to the new master only after a while: until then every new socket meets the replica. */
async function demote({ master, successor, way }: Part): Promise<void> {
  await successor.probe.replicaof('NO', 'ONE')
  const next = new URL(successor.url)
  await master.probe.replicaof(next.hostname, Number(next.port))
  await sleep(LEADS_ON_AFTER_MS)
  way.leadTo(successor.url)
}

/** Seconds until a gift is SUCCESS that needed so many POSTs: from the second on BullMQ brought it. */
async function paidAfter(
  system: ChaosSystem,
  { id }: DemoPromotion,
  sinceMs: number,
  attempts: number,
): Promise<number> {
  await system.until(
    `a gift paid with ${attempts} POSTs`,
    async () => {
      const { rows } = await sql`
        select 1 from campaign_promotion_point_result
        where promotion_id = ${id}::bigint and process_status = 'SUCCESS' and attempts >= ${attempts} limit 1`.execute(
        system.kysely,
      )
      return rows.length > 0
    },
    60_000,
    20,
  )
  return seconds(sinceMs)
}

interface NotReady {
  fromSeconds: number | null
  untilSeconds: number | null
  why: string[]
}

/** Asks each process all the time whether it is ready. */
function watchReadiness(processes: readonly Child[]) {
  let isOver = false
  const seen = processes.map(() => ({
    from: undefined as number | undefined,
    until: undefined as number | undefined,
    why: new Set<string>(),
  }))
  const look = async (child: Child, index: number) => {
    const note = seen[index]!
    while (!isOver) {
      const failing = await failingChecks(child)
      if (failing.length > 0) {
        note.from ??= performance.now()
        note.until = undefined
        for (const name of failing) note.why.add(name)
      } else if (note.from !== undefined) note.until ??= performance.now()
      await sleep(READY_POLL_MS)
    }
  }
  processes.forEach((child, index) => void look(child, index))
  return {
    states: () => Promise.all(processes.map(async child => (await failingChecks(child)).length === 0)),
    stop: (struckAt: number): Record<string, NotReady> => {
      isOver = true
      const since = (ms: number | undefined) => (ms === undefined ? null : Math.round((ms - struckAt) / 10) / 100)
      return Object.fromEntries(
        processes.map(({ name }, index) => {
          const { from, until: end, why } = seen[index]!
          return [name, { fromSeconds: since(from), untilSeconds: since(end), why: [...why].sort() }]
        }),
      )
    },
  }
}

async function failingChecks({ url }: Child): Promise<string[]> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5000) })
    const { checks: answers } = (await response.json()) as { checks: Record<string, string> }
    return response.ok ? [] : Object.keys(answers).filter(name => answers[name] !== 'ok')
  } catch {
    return ['no answer']
  }
}
