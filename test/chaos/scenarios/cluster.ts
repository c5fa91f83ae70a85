import { setTimeout as sleep } from 'node:timers/promises'
import calculateSlot from 'cluster-key-slot'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import { startCluster } from '../../support/redis-cluster.ts'
import type { Scenario } from '../scenario.ts'

const NODES = 3
const LATENCY_MS = 100
const DOWN_SECONDS = 30
/** So few slots a promotion that the time without the node does not suffice for its gifts. */
const SLOTS = 4
/** Of what was paid before; a promotion that waits for another's node falls to nothing. On a busy machine 0.78 was seen. */
const RATE_SHARE = 0.6
const nodeOf = (key: string) => Math.floor((calculateSlot(key) * NODES) / 16_384)
/** All of BullMQ's keys are on one node; without it no retry of any promotion runs, so that another one is killed. */
const KILLED = (nodeOf('{promostream}') + 1) % NODES

/**
 * The whole product on a cluster of three nodes with a password, as a user of its own: gifts of three promotions, one a
 * node, balance under a Money API that fails. Then a node is away for 30 s under load: its promotion stands still, the
 * others go on at about their rate, and all balance again.
 */
export const cluster: Scenario = {
  about: 'a cluster with a password; one of three nodes killed for 30 s: only its promotions wait',
  messages: 4000,
  run: async ({ messages, start }) => {
    const password = 'p@ss:w/rd %'
    const user = { name: 'promostream', acl: '~* &* +@all' }
    const nodes = await startCluster({ password, user, allowPartial: true })
    const system = await start({
      servers: { REDIS_URL: nodes.url, REDIS_STREAM_URL: nodes.url },
      redis: nodes.probe,
      money: { latencyMs: LATENCY_MS, faultPercent: 20 },
      env: {
        REDIS_CLUSTER: 'true',
        RETRY_BACKOFF_BASE_MS: '100',
        RETRY_BACKOFF_MAX_MS: '1000',
        REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: String(SLOTS),
      },
    })
    system.onClose(() => nodes.stop())
    await Promise.all((['listener', 'worker', 'admin'] as const).map(kind => system.child(kind)))

    const whole = await promotionOfEachNode(system, Math.ceil(messages / NODES))
    await Promise.all(whole.map(promotion => system.publish(promotion)))
    const wholeSeconds = await system.drain(whole)
    say(`a whole cluster: ${wholeSeconds} s`)

    const load = await promotionOfEachNode(system, (DOWN_SECONDS * 2 * SLOTS * 1000) / LATENCY_MS)
    const publishing = Promise.all(load.map(promotion => system.publish(promotion)))
    await system.until('all are being paid', async () => (await paidOf(system, load)).every(paid => paid > 50))
    const before = await ratesWithin(system, load, DOWN_SECONDS / 3)
    const node = nodes.nodes[KILLED]!
    system.repeats += system.callsAtOnce
    node.server.signal('SIGKILL')
    await node.server.gone()
    const during = await ratesWithin(system, load, DOWN_SECONDS)
    say(`gifts a second before and during: ${JSON.stringify({ before, during, killed: KILLED })}`)
    const had = (await paidOf(system, load))[KILLED]!
    await nodes.restart(node)
    const startedAt = performance.now()
    await system.until('its promotion goes on', async () => (await paidOf(system, load))[KILLED]! > had)
    const onAgainSeconds = seconds(startedAt)
    await publishing
    const shares = during.map((rate, index) => rate / before[index]!).filter((_share, index) => index !== KILLED)
    return {
      figures: { wholeSeconds, killed: KILLED, before, during, onAgainSeconds },
      checks: {
        othersGoOn: Math.min(...shares) >= RATE_SHARE,
        onAgainInTime: onAgainSeconds <= 15,
        noneEnded: system.children.size === 3,
      },
    }
  },
}

/** Running promotions; the n-th is on the n-th node. */
async function promotionOfEachNode(system: ChaosSystem, gifts: number): Promise<DemoPromotion[]> {
  const found: DemoPromotion[] = []
  for (let node = 0; node < NODES; node++) {
    const isThere = (id: string) => nodeOf(`campaign-promotion-${id}:voucher:stream`) === node
    found.push(await system.plan(gifts, 'VOUCHER', gifts, isThere))
  }
  for (const promotion of found) await system.run(promotion)
  return found
}

function paidOf(system: ChaosSystem, promotions: readonly DemoPromotion[]): Promise<number[]> {
  return Promise.all(promotions.map(async promotion => (await system.count(promotion)).SUCCESS))
}

/** Gifts paid a second, of each promotion. */
async function ratesWithin(system: ChaosSystem, load: readonly DemoPromotion[], forSeconds: number): Promise<number[]> {
  const [from, startedAt] = [await paidOf(system, load), performance.now()]
  await sleep(forSeconds * 1000)
  const to = await paidOf(system, load)
  return to.map((paid, index) => Math.round(((paid - from[index]!) / seconds(startedAt)) * 10) / 10)
}
