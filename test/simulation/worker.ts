import type { Redis } from 'ioredis'
import { createMoneyCampaignChargeApi } from '#money/charge-api.ts'
import { lookupPath } from '#money/charge-calls.ts'
import { MoneyGate } from '#money/gate.ts'
import type { HttpPool } from '#money/http.ts'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { StatusFollower } from '#promotion/consumers/follow-status.ts'
import { PromotionStreamManager } from '#promotion/consumers/stream-manager.ts'
import {
  CampaignPromotionVoucherProcessor,
  CampaignPromotionVoucherRetryProcessor,
} from '#promotion/payment/processors.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { StreamPool } from '#stream/index.ts'
import { MemoryClient } from '#stream/memory/memory-client.ts'
import { connectionOf, processorDepsOf, reach } from './process-parts.ts'
import { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

const FOLLOW_INTERVAL_MS = 1000
const STOP_DEADLINE_MS = 8000
/** Beyond the deadline a stop may take this long: two graces after the abort, and leaving the group. */
const STOP_SLACK_MS = 4000

interface Watched {
  readonly consumer: string
  on(event: 'active', listener: (entry: { id: string }) => void): unknown
}

/** A worker process, made of the real parts as `src/bin/worker.ts` is. */
export class SimWorker {
  readonly process: SimProcess
  readonly number: number
  readonly life: number
  /** A stop was asked for then; undefined: it runs. */
  stoppingSinceMs: number | undefined
  isStopped = false
  readonly #world: World
  readonly #registry: PromotionConsumerRegistry
  #stop: (() => Promise<void>) | undefined
  /** Handlers in flight by consumer (one that starts again has new ones beside the old); entries that they have. */
  readonly #running = new Map<string, number>()
  readonly #entries = new Set<string>()
  #lastEntry = ''

  constructor(world: World, number: number, life: number) {
    this.#world = world
    this.number = number
    this.life = life
    this.process = new SimProcess(`worker-${number}${life === 1 ? '' : `.${life}`}`)
    this.#registry = new PromotionConsumerRegistry(world.loggerOf(this.process))
  }

  /** Everything that it does from then on is its own. */
  start(): void {
    this.#world.scheduler.soon(this.process, () => void this.#start())
  }

  stop(): void {
    if (this.stoppingSinceMs !== undefined || this.process.isDead) return
    this.stoppingSinceMs = this.#world.scheduler.nowMs
    this.#world.scheduler.soon(this.process, () => void this.#end())
  }

  async #end(): Promise<void> {
    await this.#stop?.()
    this.#world.tell(this.process.name, () => 'has stopped')
    this.isStopped = true
    this.process.isDead = true
  }

  async #start(): Promise<void> {
    const world = this.#world
    const { plan } = world
    const logger = world.loggerOf(this.process)
    const { connection } = connectionOf(world, this.process)
    const cache = new MemoryClient(world.cache)
    await cache.connect()
    const gate = new MoneyGate({
      http: { exchange: (call: never) => world.money.exchange(this.process, call) } as unknown as HttpPool,
      redis: cache as unknown as Redis,
      rateLimit: 0,
      probePath: lookupPath,
      logger,
    })
    const moneyCampaignChargeApi = createMoneyCampaignChargeApi({ gate })
    const deps = processorDepsOf(world, this.process, connection, moneyCampaignChargeApi)
    const pool = new StreamPool({ connection, maxInFlight: plan.maxInFlight, pollIntervalMs: 250 })
    const processor = this.#watched(new CampaignPromotionVoucherProcessor(deps))
    const registry = this.#registry
    const handler = { stream: GIFT_TYPES.VOUCHER, processor }
    const manager = new PromotionStreamManager({
      connection,
      pool,
      registry,
      handlers: { VOUCHER: handler, POINT: handler },
      settings: {
        maxLen: 1000,
        readCount: 500,
        pollIntervalMs: 250,
        maxConsumersPerInstance: plan.slots,
        claimMinIdleMs: plan.minIdleMs,
        maxDeliveries: plan.maxDeliveries,
      },
      logger,
      onDead: () => undefined,
    })
    const statusFollower = new StatusFollower({
      promotions: {
        listActive: () =>
          world.database(this.process, () =>
            [...world.rows.promotions.values()].filter(({ status }) => status === 'IN_PROGRESS' || status === 'PAUSED'),
          ),
      } as never,
      manager,
      registry,
      refills: { add: () => undefined, keepOnly: () => undefined },
      logger,
    })
    gate.onBlocked(isBlocked => (isBlocked ? registry.pause('money-api') : registry.release('money-api')))
    const aborter = new AbortController()
    const retrying = world.retries.work(this.process, new CampaignPromotionVoucherRetryProcessor(deps), aborter.signal)
    let rounds = Promise.resolve()
    const followStatus = async () => {
      await statusFollower.follow().catch(() => undefined)
      for (const { worker } of registry.contexts) this.#watch(worker)
    }
    this.#stop = async () => {
      clearInterval(round)
      // As upkeep's stop: a round under way would bring consumers up again behind the one that takes them down.
      await rounds
      const deadline = AbortSignal.timeout(STOP_DEADLINE_MS)
      deadline.addEventListener('abort', () => aborter.abort())
      await retrying.stop()
      await registry.shutdownAll(deadline)
      await pool.close()
      await gate.service.stop()
      await connection.close()
    }
    const round = setInterval(() => {
      rounds = Promise.all([rounds, followStatus()]).then(() => undefined)
    }, FOLLOW_INTERVAL_MS)
    await reach(connection)
    await gate.service.start()
    rounds = followStatus()
    await rounds
  }

  readonly #watchedWorkers = new WeakSet<object>()

  #watch(worker: Watched): void {
    if (this.#watchedWorkers.has(worker)) return
    this.#watchedWorkers.add(worker)
    worker.on('active', ({ id }) => {
      this.#lastEntry = `${worker.consumer}#${id}`
    })
  }

  /** The processor, with an eye on what runs at once. */
  #watched(processor: CampaignPromotionVoucherProcessor) {
    return {
      markPoison: (json: string, deliveries: number) => processor.markPoison(json, deliveries),
      processStreamMessage: async (json: string, signal?: AbortSignal) => {
        const entry = this.#lastEntry
        this.#lastEntry = ''
        const consumer = entry.split('#')[0] ?? ''
        const running = (this.#running.get(consumer) ?? 0) + 1
        this.#running.set(consumer, running)
        const { rows, plan } = this.#world
        // Whose it is nobody knows of what began before its consumer was watched.
        if (consumer !== '' && running > plan.slots)
          rows.wrong.push(`slots: ${running} handlers of one consumer in ${this.process.name}`)
        if (entry !== '' && this.#entries.has(entry)) {
          rows.wrong.push(`slots: entry ${entry} is in two slots of ${this.process.name}`)
        }
        this.#entries.add(entry)
        if (plan.killer !== undefined && json.includes(`"voucherTargetId":"${plan.killer}"`)) {
          this.#world.faults.killedByGift(this)
          return new Promise<never>(() => undefined)
        }
        try {
          return await processor.processStreamMessage(json, signal)
        } finally {
          this.#running.set(consumer, (this.#running.get(consumer) ?? 0) - 1)
          this.#entries.delete(entry)
        }
      },
    }
  }

  /** In flight is never below 0, nor above the slots; a stop ends. */
  checkSlots(): void {
    const { rows, plan, scheduler } = this.#world
    if (this.process.isDead) return
    let all = 0
    for (const { worker } of this.#registry.contexts) {
      const { inFlight } = worker
      all += inFlight
      if (inFlight < 0 || inFlight > plan.slots) rows.wrong.push(`slots: ${inFlight} in flight in ${this.process.name}`)
    }
    if (all > plan.maxInFlight) rows.wrong.push(`slots: ${all} in flight in ${this.process.name}, of all promotions`)
    if (this.stoppingSinceMs === undefined) return
    // Told to stop while it stood still, it hears of it afterwards.
    const heardAtMs = Math.max(this.stoppingSinceMs, this.process.frozenUntilMs)
    if (scheduler.nowMs - heardAtMs > STOP_DEADLINE_MS + STOP_SLACK_MS) {
      rows.wrong.push(`close: ${this.process.name} does not end`)
      this.process.isDead = true
    }
  }
}
