import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say } from '../../support/chaos.ts'
import { readRequests } from '../ledger.ts'
import type { Scenario } from '../scenario.ts'

const MAX_CALLS_AGAIN = 50
/** Published and not yet paid: the next gifts come when it is less. Enough for the longest rebalance. */
const BACKLOG = 6000
/** Looks at which nothing was waiting before the last gift was published, of all of them. */
const MAX_IDLE_SHARE = 0.05
const MIN_ROUNDS = 3

/**
 * Their starts take the processor, and answers lie unread in the worker's sockets. What has arrived is no time-out: hardly
 * a call is made again, and the breaker stays closed. The load never ends while they come and go.
 */
export const listenersComeAndGo: Scenario = {
  about: 'listeners 1 ↔ 3 under continuous load, beside a Money API that is well',
  messages: 24_000,
  repeats: MAX_CALLS_AGAIN,
  run: async ({ messages, start }) => {
    const system = await start({
      money: { latencyMs: 20 },
      env: { MONEY_API_TIMEOUT_MS: '1000', REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '32' },
    })
    await Promise.all((['listener', 'worker'] as const).map(kind => system.child(kind)))
    // Fewer would all be published before the first look.
    const promotion = await system.plan(Math.max(2 * BACKLOG, messages))
    await system.run(promotion)
    const load = loadOf(system, promotion)
    let rounds = 0
    while (load.isOn) {
      const listeners = await Promise.all([system.child('listener'), system.child('listener')])
      await Promise.all(listeners.map(listener => listener.stop()))
      say(`round ${++rounds}, ${load.paid} paid`)
    }
    await load.ended
    await system.drain()
    const { posts, gets, keys } = await readRequests(system.env.MONEY_API_URL!)
    const callsAgain = posts + gets - keys
    const breakerOpened = system.logged('gives no usable answer').length
    const idleShare = Math.round((load.idleLooks / load.looks) * 1000) / 1000
    return {
      figures: { rounds, callsAgain, breakerOpened, idleShare, looks: load.looks },
      checks: {
        hardlyAnyCallAgain: callsAgain <= MAX_CALLS_AGAIN,
        breakerNeverOpen: breakerOpened === 0,
        loadIsContinuous: idleShare <= MAX_IDLE_SHARE,
        // Of a whole run only; few gifts are paid while the first ones come.
        cameAndWent: rounds >= (messages >= 24_000 ? MIN_ROUNDS : 1),
      },
    }
  },
}

/** Publishes so that gifts wait all the time, and looks every 100 ms whether they do, until all are published. */
function loadOf(system: ChaosSystem, promotion: DemoPromotion) {
  const load = { isOn: true, paid: 0, looks: 0, idleLooks: 0, ended: Promise.resolve() }
  const look = async () => {
    const { PENDING, RETRYING, SUCCESS } = await system.count(promotion)
    load.paid = SUCCESS
    // Before the first is paid nothing can be said.
    if (SUCCESS === 0 || !load.isOn) return
    load.looks += 1
    if (PENDING + RETRYING === 0) load.idleLooks += 1
  }
  const watching = (async () => {
    for (; load.isOn; await sleep(100)) await look()
  })()
  const ready = async (begun: number) => {
    while (begun - load.paid > BACKLOG) await sleep(20)
  }
  load.ended = system
    .publish(promotion, ready)
    .finally(() => {
      load.isOn = false
    })
    .then(() => watching)
  return load
}
