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
      // One that is being published when the broker goes, and one that begins while it is away.
      const [before, meanwhile] = await Promise.all(
        (['VOUCHER', 'POINT'] as const).map(type => system.plan(Math.ceil(messages / (kills + freezes) / 2), type)),
      )
      const both = [before, meanwhile] as [DemoPromotion, DemoPromotion]
      for (const promotion of both) await system.run(promotion)
      const publishing = [published(system, both[0])]
      await system.until('the first rows', async () => (await system.rows(both[0])) > 0)
      await sleep(random.between(0, 300))
      server.signal(fault <= kills ? 'SIGKILL' : 'SIGSTOP')
      publishing.push(published(system, both[1]))
      if (fault <= kills) {
        await server.gone()
        await server.start()
      } else {
        await sleep(FROZEN_SECONDS * 1000)
        server.signal('SIGCONT')
      }
      const backAt = performance.now()
      await Promise.all(publishing)
      for (const promotion of both)
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
