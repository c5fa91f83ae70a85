import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const KILLS = 5
const FREEZES = 3
const FROZEN_SECONDS = 45
const MAX_RESUME_SECONDS = 60

/**
 * The broker killed and frozen while gifts are published: what it acknowledged becomes rows, and it is consumed again
 * soon after it is back. A process that gives up ends with another code than 0, and is started again.
 */
export const kafka: Scenario = {
  about: 'Kafka: killed five times, frozen for 45 s three times; consumed again within 60 s',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const system = await start()
    const [kills, freezes] = messages >= 10_000 ? [KILLS, FREEZES] : [2, 1]
    const watch: Watch = { isOver: false, ends: [] }
    for (const kind of ['listener', 'listener', 'worker', 'worker'] as const) await supervised(system, kind, watch)
    const server = system.stack.servers.kafka!
    const resumed: number[] = []
    for (let fault = 1; fault <= kills + freezes; fault++) {
      const promotion = await system.plan(
        Math.ceil(messages / (kills + freezes)),
        fault % 2 === 0 ? 'POINT' : 'VOUCHER',
      )
      await system.run(promotion)
      const publishing = published(system, promotion)
      await system.until('the first rows', async () => (await system.rows(promotion)) > 0)
      await sleep(random.between(0, 300))
      if (fault <= kills) {
        server.signal('SIGKILL')
        await server.gone()
        await server.start()
      } else {
        server.signal('SIGSTOP')
        await sleep(FROZEN_SECONDS * 1000)
        server.signal('SIGCONT')
      }
      const backAt = performance.now()
      await publishing
      await system.until('its rows', async () => (await system.rows(promotion)) === promotion.gifts)
      resumed.push(seconds(backAt))
      say(`Kafka ${fault}/${kills + freezes}: all are rows ${resumed.at(-1)} s after it was back`)
    }
    await system.drain()
    watch.isOver = true
    return {
      figures: { resumedSeconds: resumed, ends: watch.ends },
      checks: {
        consumedInTime: Math.max(...resumed) <= MAX_RESUME_SECONDS,
        whoGaveUpSaidSo: watch.ends.every(end => end !== 0),
      },
    }
  },
}

interface Watch {
  /** What ends from now on is meant to. */
  isOver: boolean
  ends: unknown[]
}

/** Started again when it ends by itself, as by any supervisor. */
async function supervised(system: ChaosSystem, kind: 'listener' | 'worker', watch: Watch): Promise<void> {
  const child = await system.child(kind)
  void child.ended.then(async end => {
    if (watch.isOver) return
    watch.ends.push(end)
    await supervised(system, kind, watch).catch(() => undefined)
  })
}

/** Until all of them are acknowledged; a gift that comes twice is a duplicate. */
async function published(system: ChaosSystem, promotion: DemoPromotion): Promise<void> {
  for (;;) {
    try {
      await system.publish(promotion)
      return
    } catch {
      await sleep(500)
    }
  }
}
