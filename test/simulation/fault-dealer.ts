import { GIFT_TYPES } from '#queues/gift-types.ts'
import { SimListener, topic } from './listener.ts'
import type { Fault, FaultKind } from './plan.ts'
import type { SimProcess } from './scheduler.ts'
import type { SimWorker } from './worker.ts'
import type { World } from './world.ts'

/** Lets the plan's faults strike, each at its step. */
export class FaultDealer {
  /** When the last of them was over, in virtual ms. */
  overAtMs = 0
  struck: FaultKind[] = []
  /** Processes that died of a gift. */
  killed = 0
  readonly #world: World
  #next = 0

  constructor(world: World) {
    this.#world = world
  }

  onStep(process: SimProcess): void {
    const { faults } = this.#world.plan
    for (let fault = faults[this.#next]; fault !== undefined; fault = faults[this.#next]) {
      if (fault.step > this.#world.steps) return
      this.#next += 1
      this.struck.push(fault.kind)
      this.#lasts(0)
      this.#strike(fault, process)
    }
  }

  #lasts(ms: number): void {
    this.overAtMs = Math.max(this.overAtMs, this.#world.scheduler.nowMs + ms)
  }

  #strike({ kind, size, whom }: Fault, process: SimProcess): void {
    const strikes: Record<FaultKind, () => void> = {
      crash: () => this.#crash(this.#workerOf(process, whom), 100 + size * 3000),
      freeze: () => this.#freeze(this.#workerOf(process, whom).process, size * 3 * this.#world.plan.minIdleMs),
      restart: () => this.#restart(this.#workerOf(process, whom)),
      'crash-listener': () => this.#crashListener(100 + size * 2000),
      'lost-reply': () => this.#linkOf(this.#workerOf(process, whom).process)?.loseNext(),
      silence: () => this.#silence(this.#workerOf(process, whom).process, 500 + size * 9000),
      cut: () => this.#cut(this.#workerOf(process, whom).process),
      'lost-second': () => this.#loseSecond(50 + size * 1200),
      failover: () => this.#failover(50 + size * 4000),
      duplicate: () => this.#duplicate(whom),
      redelivery: () => topic.commit(this.#world, Math.floor(topic.committedOf(this.#world) * whom)),
      'clock-jump': () => this.#jump(whom < 0.5 ? size * 3_600_000 : -size * 30_000),
      'slow-disk': () => this.#slowDisk(1000 + size * 6000),
      'database-error': () => this.#databaseErrors(1 + Math.floor(size * 4)),
      'group-gone': () => this.#groupGone(size, whom),
      pause: () => this.#halt('PAUSED', 2000 + size * 8000, whom),
      stop: () => this.#halt('STOPPED', 2000 + size * 8000, whom),
      'money-down': () => this.#money('isDown', size * 4000),
      'money-refuses': () => this.#money('refusesCredentials', size * 4000),
    }
    strikes[kind]()
  }

  #tell(what: string): void {
    this.#world.tell('FAULT', () => what)
  }

  /** The worker whose step it is, most of the time. */
  #workerOf(process: SimProcess, whom: number): SimWorker {
    const live = this.#world.workers.filter(worker => !worker.process.isDead)
    const own = live.find(worker => worker.process === process)
    if (own !== undefined && whom < 0.7) return own
    return (live[Math.floor(whom * live.length)] ?? this.#world.workers[0]) as SimWorker
  }

  #linkOf(process: SimProcess) {
    return [...this.#world.links].find(link => link.process === process)
  }

  #crash({ process, number, life }: SimWorker, backMs: number): void {
    if (process.isDead) return
    this.#tell(`${process.name} is killed`)
    process.isDead = true
    this.#replace(number, life, backMs)
  }

  /** It dies of the gift that it is at, after a moment. */
  killedByGift(worker: SimWorker): void {
    const { scheduler } = this.#world
    scheduler.after(worker.process, scheduler.random.between(0, 20), () => {
      this.killed += 1
      this.#crash(worker, scheduler.random.between(100, 1000))
    })
  }

  #replace(number: number, life: number, backMs: number): void {
    this.#lasts(backMs)
    this.#world.scheduler.after(undefined, backMs, () => this.#world.addWorker(number, life + 1))
  }

  #restart(worker: SimWorker): void {
    if (worker.process.isDead || worker.stoppingSinceMs !== undefined) return
    this.#tell(`${worker.process.name} is told to stop`)
    worker.stop()
    const look = () => {
      if (worker.process.isDead) this.#replace(worker.number, worker.life, 50)
      else this.#world.scheduler.after(undefined, 100, look)
    }
    this.#world.scheduler.after(undefined, 100, look)
  }

  #freeze(process: SimProcess, ms: number): void {
    this.#tell(`${process.name} stands still for ${Math.round(ms)} ms`)
    process.frozenUntilMs = this.#world.scheduler.nowMs + ms
    this.#lasts(ms)
  }

  #crashListener(backMs: number): void {
    const { listener, scheduler } = this.#world
    this.#tell('the listener is killed')
    listener.process.isDead = true
    this.#lasts(backMs)
    scheduler.after(undefined, backMs, () => {
      if (!this.#world.listener.process.isDead) return
      this.#world.listener = new SimListener(this.#world, this.#world.listener.life + 1)
      this.#world.listener.start()
    })
  }

  #silence(process: SimProcess, ms: number): void {
    const link = this.#linkOf(process)
    if (link === undefined) return
    this.#tell(`Redis is silent to ${process.name} for ${Math.round(ms)} ms`)
    link.silentUntilMs = this.#world.scheduler.nowMs + ms
    this.#lasts(ms)
  }

  #cut(process: SimProcess): void {
    this.#tell(`${process.name}'s connection to Redis is cut`)
    this.#linkOf(process)?.cut()
  }

  #cutAll(): void {
    for (const link of this.#world.links) if (!link.process.isDead) link.cut()
  }

  #loseSecond(ms: number): void {
    const { redis, scheduler } = this.#world
    const snapshot = redis.keys.snapshot()
    this.#lasts(ms)
    scheduler.after(undefined, ms, () => {
      this.#tell(`Redis loses its last ${Math.round(ms)} ms: a replica is promoted`)
      redis.keys.restore(snapshot)
      this.#cutAll()
    })
  }

  #failover(downMs: number): void {
    const world = this.#world
    this.#tell(`Redis is away for ${Math.round(downMs)} ms`)
    world.redisOutages += 1
    // Whoever answers next is another server: nobody stays connected from the one to the other.
    world.redis.hasAckDel = !world.redis.hasAckDel
    this.#cutAll()
    this.#lasts(downMs)
    world.scheduler.after(undefined, downMs, () => {
      world.redisOutages -= 1
    })
  }

  #duplicate(whom: number): void {
    const { rows, upkeep, isRedisDown } = this.#world
    const list = [...rows.rows.values()]
    const row = list[Math.floor(whom * list.length)]
    if (row === undefined || isRedisDown) return
    this.#tell(`gift ${row.targetId} gets a second entry`)
    upkeep.add(row)
  }

  #jump(ms: number): void {
    this.#tell(`Redis's clock jumps by ${Math.round(ms)} ms`)
    this.#world.redisClockMs += ms
    this.#lasts(Math.max(0, -ms))
  }

  #slowDisk(ms: number): void {
    this.#tell(`commits are slow for ${Math.round(ms)} ms`)
    this.#world.slowDiskUntilMs = this.#world.scheduler.nowMs + ms
    this.#lasts(ms + 3000)
  }

  #databaseErrors(count: number): void {
    this.#tell(`${count} statements fail`)
    this.#world.databaseErrors += count
  }

  #groupGone(size: number, whom: number): void {
    const { redis, promotionIds, isRedisDown } = this.#world
    if (isRedisDown) return
    const promotionId = promotionIds[Math.floor(whom * promotionIds.length)] ?? '1'
    const key = GIFT_TYPES.VOUCHER.streamKey(promotionId)
    if (size < 0.34) redis.keys.clear()
    else if (size < 0.67) redis.execute(['DEL', key])
    else redis.execute(['XGROUP', 'DESTROY', key, GIFT_TYPES.VOUCHER.groupName(promotionId)])
    this.#tell(size < 0.34 ? 'FLUSHALL' : size < 0.67 ? `DEL ${key}` : `the group of ${key} is destroyed`)
  }

  #halt(status: 'PAUSED' | 'STOPPED', ms: number, whom: number): void {
    const { rows, upkeep, promotionIds, scheduler } = this.#world
    const promotionId = promotionIds[Math.floor(whom * promotionIds.length)] ?? '1'
    rows.setStatus(promotionId, status)
    if (status === 'STOPPED') upkeep.clear(promotionId)
    this.#lasts(ms)
    scheduler.after(undefined, ms, () => {
      rows.setStatus(promotionId, 'IN_PROGRESS')
      upkeep.rebuild(promotionId)
    })
  }

  #money(what: 'isDown' | 'refusesCredentials', ms: number): void {
    const { money, scheduler } = this.#world
    this.#tell(`the Money API ${what === 'isDown' ? 'is down' : 'refuses our credentials'} for ${Math.round(ms)} ms`)
    money[what] = true
    this.#lasts(ms)
    scheduler.after(undefined, ms, () => {
      money[what] = false
    })
  }
}
