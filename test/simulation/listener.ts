import { setTimeout as sleep } from 'node:timers/promises'
import type { DoStep } from '#promotion/intake/gift-intake.ts'
import { CampaignPromotionVoucherProcessor } from '#promotion/payment/processors.ts'
import { connectionOf, processorDepsOf, reach } from './process-parts.ts'
import { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

const TRY_AGAIN_MS = 300

const untilDone: DoStep = async step => {
  for (;;) {
    try {
      return await step()
    } catch {
      await sleep(TRY_AGAIN_MS)
    }
  }
}

/** A listener process: the real processor under a source of messages that comes again from the committed offset. */
export class SimListener {
  readonly process: SimProcess
  readonly #world: World
  readonly life: number

  constructor(world: World, life: number) {
    this.#world = world
    this.life = life
    this.process = new SimProcess(`listener${life === 1 ? '' : `.${life}`}`)
  }

  start(): void {
    this.#world.scheduler.soon(this.process, () => void this.#start())
  }

  async #start(): Promise<void> {
    const world = this.#world
    const { connection } = connectionOf(world, this.process)
    const processor = new CampaignPromotionVoucherProcessor(
      processorDepsOf(world, this.process, connection, undefined as never),
    )
    await reach(connection)
    while (topic.committedOf(world) < world.plan.gifts) {
      const from = topic.committedOf(world)
      const size = world.scheduler.random.whole(1, 4)
      const offsets = Array.from({ length: Math.min(size, world.plan.gifts - from) }, (_, index) => from + index)
      await processor.processTopicMessages(
        offsets.map(offset => takenOf(world, offset)),
        untilDone,
      )
      // The commit may be lost with the process: then they come again.
      await world.database(this.process, () => topic.commit(world, from + offsets.length)).catch(() => undefined)
    }
  }
}

function takenOf(world: World, offset: number) {
  return {
    json: messageOf(world, offset),
    origin: { topic: 'gifts', partition: 0, offset: String(offset), value: null },
  }
}

export function messageOf(world: World, offset: number): string {
  const promotionId = String((offset % world.plan.promotions) + 1)
  const voucherTargetId = String(offset + 1)
  const ids = { promotionId, promotionSummaryId: '1', voucherTargetId, memberId: String(offset + 100) }
  return JSON.stringify({ ...ids, partitionKey: 'k', amount: String(1000 + offset) })
}

const committed = new WeakMap<World, number>()

/** The gift topic's committed offset. */
export const topic = {
  committedOf: (world: World) => committed.get(world) ?? 0,
  commit: (world: World, offset: number) => void committed.set(world, offset),
}
