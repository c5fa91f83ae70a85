import { CodedError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Answer, MemoryServer } from '#stream/memory/memory-server.ts'
import { FaultDealer } from './fault-dealer.ts'
import { SimListener } from './listener.ts'
import { MoneyModel } from './money-model.ts'
import type { Plan } from './plan.ts'
import { Random } from './random.ts'
import type { RedisLink } from './redis-link.ts'
import { RetryModel } from './retry-model.ts'
import { RowsModel } from './rows-model.ts'
import { Scheduler, type SimProcess } from './scheduler.ts'
import { UpkeepModel } from './upkeep-model.ts'
import { epochMs } from './virtual-time.ts'
import { SimWorker } from './worker.ts'

export interface StoryLine {
  atMs: number
  who: string
  what: string
}

/** Everything of one world: clock, servers, rows, Money API, processes. */
export class World {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly redis: MemoryServer
  /** What the gate's latch is kept in; nothing befalls it. */
  readonly cache = new MemoryServer({ clock: epochMs })
  readonly rows: RowsModel
  readonly money: MoneyModel
  readonly retries: RetryModel
  readonly upkeep: UpkeepModel
  readonly faults: FaultDealer
  readonly links = new Set<RedisLink>()
  readonly workers: SimWorker[] = []
  listener: SimListener
  /** Outages of Redis that are not over: they may overlap. */
  redisOutages = 0
  /** Everything is told to stop: nothing comes again. */
  isEnding = false
  redisClockMs = 0
  slowDiskUntilMs = 0
  /** So many statements fail, before or after their commit. */
  databaseErrors = 0
  /** POSTs whose outcome a failed statement was to write. */
  unwrittenPosts = 0
  steps = 0
  readonly story: StoryLine[] | undefined
  readonly #random: Random

  constructor(plan: Plan, isTelling = false) {
    this.plan = plan
    this.#random = new Random(plan.seed, 2)
    this.scheduler = new Scheduler(this.#random)
    this.story = isTelling ? [] : undefined
    this.redis = new MemoryServer({ clock: () => epochMs() + this.redisClockMs, hasAckDel: plan.hasAckDel })
    this.rows = new RowsModel(this)
    this.money = new MoneyModel(this)
    this.retries = new RetryModel(this)
    this.upkeep = new UpkeepModel(this)
    this.faults = new FaultDealer(this)
    for (let number = 1; number <= plan.promotions; number++) {
      const promotion = { id: String(number), name: 'p', type: 'VOUCHER', totalCount: 0 } as const
      this.rows.promotions.set(promotion.id, { ...promotion, status: 'IN_PROGRESS', startedAt: null, finishedAt: null })
    }
    this.listener = new SimListener(this, 1)
  }

  get isRedisDown(): boolean {
    return this.redisOutages > 0
  }

  get promotionIds(): string[] {
    return [...this.rows.promotions.keys()]
  }

  start(): void {
    this.listener.start()
    this.upkeep.start()
    for (let number = 1; number <= this.plan.workers; number++) this.addWorker(number, 1)
  }

  addWorker(number: number, life: number): void {
    if (this.isEnding) return
    const worker = new SimWorker(this, number, life)
    this.workers[number - 1] = worker
    worker.start()
  }

  /** How long one way over a network takes, in ms: mostly little. */
  delayMs(): number {
    return this.#random.chance(0.04) ? this.#random.between(1, 30) : this.#random.between(0.05, 0.8)
  }

  /**
   * One statement and its commit, in one step; the answer comes back when it is written. `posts`: calls whose outcome it
   * writes down, which are made again when it fails.
   */
  database<Result>(process: SimProcess, run: () => Result, posts = 0): Promise<Result> {
    const { scheduler } = this
    if (process.isDead) return new Promise(() => undefined)
    this.step(process)
    const isSlow = scheduler.nowMs < this.slowDiskUntilMs
    return new Promise((resolve, reject) => {
      const fail = () => {
        scheduler.after(process, this.delayMs(), () => reject(new CodedError('DATABASE', 'it is away')))
      }
      const commitMs = isSlow ? this.#random.between(200, 3000) : this.delayMs()
      scheduler.after(undefined, commitMs, () => {
        const fails = this.databaseErrors > 0
        if (fails) {
          this.databaseErrors -= 1
          this.unwrittenPosts += posts
        }
        if (fails && this.#random.chance(0.5)) return fail()
        const result = run()
        this.step(process)
        if (fails) return fail()
        scheduler.after(process, this.delayMs(), () => {
          resolve(result)
          this.step(process)
        })
      })
    })
  }

  /** Something of this process is sent, done or heard: here faults strike. */
  step(process: SimProcess): void {
    this.steps += 1
    this.faults.onStep(process)
    for (const worker of this.workers) worker.checkSlots()
  }

  tell(who: string, what: () => string): void {
    this.story?.push({ atMs: this.scheduler.nowMs, who, what: what() })
  }

  /** Commands that changed something, or brought something. */
  tellRedis(process: SimProcess, [name = '', ...args]: readonly string[], answer: Answer): void {
    if (this.story === undefined || /^(get|mget|xread|info|command|xlen|xinfo)$/i.test(name)) return
    const text = 'error' in answer ? answer.error.message : JSON.stringify(answer.reply)
    if (text === 'null' || /^\[("0-0",)?(\[\],?)*\]$/.test(text)) return
    const said = `${name} ${args.join(' ')}`.replaceAll(/\{.*?"voucherTargetId":"(\d+)".*?\}/g, 'gift $1')
    const heard = text.replaceAll(/\{.*?voucherTargetId\\":\\"(\d+)\\".*?\}/g, 'gift $1')
    this.tell(process.name, () => `${said.slice(0, 160)} → ${heard.slice(0, 200)}`)
  }

  loggerOf(process: SimProcess): Logger {
    const say = (fields: unknown, text?: string) => {
      if (!process.isDead) this.tell(process.name, () => `log: ${text ?? fields}`)
    }
    const silent = () => undefined
    const logger = { trace: silent, debug: silent, info: silent, warn: say, error: say, fatal: say, level: 'warn' }
    return Object.assign(logger, { child: () => logger }) as unknown as Logger
  }
}
