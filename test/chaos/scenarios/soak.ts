import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import type { Random } from '../../simulation/random.ts'
import { type ChaosSystem, say } from '../../support/chaos.ts'
import { type ProcessSize, ProcessSizes, sizeOf } from '../process-sizes.ts'
import type { Scenario } from '../scenario.ts'

const GIFTS_A_SECOND = 100
/** Each has a promotion of its own, and one fault. */
const EPISODE_SECONDS = 15
const CHUNK = 1000
const FAULT_SECONDS = 6
const MAX_RSS_GROWTH = 1.1
/**
 * A heap that takes no more than it needs: with the room that the start scripts give its young generation, it grows by some
 * 60 MB whenever a burst asks for that, and a leak of as much would not be seen.
 */
const LEAN_HEAP = ['--optimize-for-size', '--max-semi-space-size=16']
/** A connection that is being replaced, a timer of a call under way. */
const FEW = 25
/** Longer than a connection to the Money API is kept without a call. */
const SETTLE_MS = 35_000

interface Soak {
  system: ChaosSystem
  random: Random
  /** Processes that faults strike. */
  victims: Map<Child, 'listener' | 'worker'>
  promotion: DemoPromotion
}

/**
 * Everything mixed for as long as the gifts last at 100 a second: 180,000 are half an hour. A listener, a worker and the
 * admin live through it beside two workers and a listener that are killed, stopped and frozen: they do not grow.
 */
export const soak: Scenario = {
  about: 'all faults mixed at 100 gifts a second: memory, handles and timers of what lives through it stay flat',
  messages: 180_000,
  run: async ({ messages, random, start }) => {
    const system = await start({
      money: { latencyMs: 30, faultPercent: 5 },
      env: { RETRY_MAX_ATTEMPTS: '12' },
      nodeFlags: LEAN_HEAP,
    })
    const steady = await Promise.all((['listener', 'worker', 'admin'] as const).map(kind => system.child(kind)))
    const victims: Soak['victims'] = new Map()
    for (const kind of ['listener', 'worker', 'worker'] as const) victims.set(await system.child(kind), kind)
    const atStart = await atRest(steady)
    const sizes = new ProcessSizes(steady)
    const drawn: Record<string, number> = {}
    const episodes = Math.max(1, Math.round(messages / GIFTS_A_SECOND / EPISODE_SECONDS))
    for (let episode = 1; episode <= episodes; episode++) {
      const promotion = await system.plan(Math.round(messages / episodes), episode % 2 === 0 ? 'VOUCHER' : 'POINT')
      await system.run(promotion)
      const publishing = evenly(system, promotion)
      await sleep(random.between(2000, 5000))
      const name = random.pick(Object.keys(FAULTS))
      drawn[name] = (drawn[name] ?? 0) + 1
      say(`episode ${episode}/${episodes}: ${name}`)
      await FAULTS[name]?.({ system, random, victims, promotion })
      await publishing
    }
    sizes.stop()
    await system.drain()
    await sleep(SETTLE_MS)
    const [before, after, atEnd] = [sizes.medians(0.2, 0.4), sizes.medians(0.8, 1), await atRest(steady)]
    const growth = Object.keys(before).map(name => after[name]!.rssMb / before[name]!.rssMb)
    return {
      figures: { drawn, atStart, before, after, atEnd, ...(await sizesOfServers(system)) },
      checks: {
        memoryIsFlat: Math.max(...growth) <= MAX_RSS_GROWTH,
        handlesAreFlat: isFlat(atStart, atEnd, 'handles') && isFlat(before, after, 'handles'),
        timersAreFlat: isFlat(atStart, atEnd, 'timers'),
        fileDescriptorsAreFlat: isFlat(atStart, atEnd, 'fileDescriptors'),
        noneEnded: steady.every(child => system.children.has(child)),
      },
    }
  },
}

const FAULTS: Readonly<Record<string, (soak: Soak) => Promise<void>>> = {
  kill: async ({ system, random, victims }) => {
    const [child, kind] = random.pick([...victims])
    await system.kill(child)
    victims.delete(child)
    victims.set(await system.child(kind), kind)
  },
  sigterm: async ({ system, random, victims }) => {
    const [child, kind] = random.pick([...victims])
    await child.stop()
    victims.delete(child)
    victims.set(await system.child(kind), kind)
  },
  freeze: async ({ system, random, victims }) => {
    const [{ pid }] = random.pick([...victims])
    process.kill(pid, 'SIGSTOP')
    system.repeats += system.callsAtOnce
    await sleep(2 * Number(system.env.REDIS_STREAM_CLAIM_MIN_IDLE_MS))
    process.kill(pid, 'SIGCONT')
  },
  'redis-cut': async ({ system }) => {
    system.repeats += 3 * system.callsAtOnce
    await system.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  },
  'redis-killed': async ({ system }) => {
    system.repeats += 3 * system.callsAtOnce
    const server = system.stack.servers.redis!
    server.signal('SIGKILL')
    await server.gone()
    await server.start()
  },
  'redis-wiped': ({ system }) => system.wipeRedis(),
  'sessions-cut': async ({ system }) => {
    system.repeats += 3 * system.callsAtOnce
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(system.kysely)
  },
  'postgres-crashed': async ({ system }) => {
    system.repeats += 3 * system.callsAtOnce
    const server = system.stack.servers.postgres!
    server.signal('SIGQUIT')
    await server.gone()
    await server.start()
  },
  'money-down': ({ system }) => forAWhile(system, { down: true }, { down: false }),
  'money-redirects': ({ system }) => forAWhile(system, { instead: 'redirect-302' }, { instead: null }),
  paused: async ({ system, promotion }) => {
    await system.promotions.move(promotion.id, ['IN_PROGRESS'], 'PAUSED')
    await sleep(FAULT_SECONDS * 1000)
    await system.promotions.move(promotion.id, ['PAUSED'], 'IN_PROGRESS')
  },
  'odd-messages': async ({ system, promotion }) => {
    const odd = ['not JSON', '{}', `${'['.repeat(10_000)}${']'.repeat(10_000)}`]
    await Promise.all(odd.map(value => system.events.publish({ topic: promotion.topic, key: 'odd', value })))
  },
}

async function forAWhile(system: ChaosSystem, fault: object, none: object): Promise<void> {
  await system.control({ ...fault })
  await sleep(FAULT_SECONDS * 1000)
  await system.control({ ...none })
}

/** Publishes at the same rate all the time, a chunk after the other. */
async function evenly(system: ChaosSystem, promotion: DemoPromotion): Promise<void> {
  const startedAt = performance.now()
  await system.publish(promotion, async begun => {
    const dueMs = (Math.floor(begun / CHUNK) * CHUNK * 1000) / GIFTS_A_SECOND
    await sleep(Math.max(0, startedAt + dueMs - performance.now()))
  })
  await sleep(Math.max(0, startedAt + (promotion.gifts * 1000) / GIFTS_A_SECOND - performance.now()))
}

async function atRest(steady: readonly Child[]): Promise<Record<string, ProcessSize>> {
  return Object.fromEntries(await Promise.all(steady.map(async child => [child.name, await sizeOf(child)] as const)))
}

function isFlat(before: Record<string, ProcessSize>, after: Record<string, ProcessSize>, name: keyof ProcessSize) {
  return Object.keys(before).every(child => after[child]![name] <= before[child]![name] + FEW)
}

/** What is left of it all, by what it is for. */
async function sizesOfServers({ redis, kysely }: ChaosSystem) {
  const keys: Record<string, number> = {}
  for await (const batch of redis.scanStream({ count: 1000 }))
    for (const key of batch as string[]) {
      const kind = key.replaceAll(/\d+/g, 'N').replace(/^(promostream:\w+).*/, '$1')
      keys[kind] = (keys[kind] ?? 0) + 1
    }
  const redisBytes = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  const { rows } = await sql<{ name: string; bytes: number }>`
    select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 2 desc limit 6`.execute(kysely)
  return { redisBytes, redisKeys: keys, tables: Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes])) }
}
