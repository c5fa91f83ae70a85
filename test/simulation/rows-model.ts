import type { GiftRow, InsertOutcome, NewGift, Transition, TransitionOutcome } from '#database/gifts/gift.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import type { GiftResultRepository } from '#database/gifts/results.ts'
import type { SkippedGift } from '#database/gifts/skipped.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { Batcher } from '#runtime/batcher.ts'
import { MAX_ATTEMPTS } from './plan.ts'
import type { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

export interface Row extends GiftRow {
  message: string
  isEnqueued: boolean
  updatedAtMs: number
  errorCode: string | undefined
  moves: ProcessStatus[]
}

const BATCH = { maxSize: 500, isItemError: () => false }

/**
 * The rows as the repositories promise them: one statement is one step and one commit. What rests on PostgreSQL's locks
 * is not modelled.
 */
export class RowsModel {
  readonly rows = new Map<string, Row>()
  readonly promotions = new Map<string, Promotion>()
  /** Promotions that are PAUSED or STOPPED, and since when. */
  readonly haltedSinceMs = new Map<string, number>()
  readonly skipped: SkippedGift[] = []
  /** What was seen to be wrong while it happened. */
  readonly wrong: string[] = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  setStatus(promotionId: string, status: PromotionStatus): void {
    const promotion = this.promotions.get(promotionId)
    if (promotion === undefined || promotion.status === 'COMPLETED') return
    this.promotions.set(promotionId, { ...promotion, status })
    if (status === 'IN_PROGRESS') this.haltedSinceMs.delete(promotionId)
    else if (status !== 'COMPLETED') this.haltedSinceMs.set(promotionId, this.#world.scheduler.nowMs)
    this.#world.tell('operator', () => `promotion ${promotionId} is ${status}`)
  }

  /** The repository as one process has it; calls of one moment are one statement, as in the real one. */
  repositoryOf(process: SimProcess): GiftResultRepository {
    const statement = <Item, Result>(run: (item: Item) => Result, postsOf: (item: Item) => number = () => 0) => ({
      ...BATCH,
      maxConcurrent: 2,
      run: (items: readonly Item[]) => {
        const posts = items.reduce((sum, item) => sum + postsOf(item), 0)
        return this.#world.database(process, () => items.map(run), posts)
      },
    })
    const inserts = new Batcher(statement((gift: NewGift) => this.#insert(gift)))
    const finds = new Batcher(statement((targetId: string) => this.#find(targetId)))
    const moves = new Batcher({
      ...statement(
        (transition: Transition) => this.#move(process, transition),
        ({ posts }) => posts,
      ),
      paceMs: 10,
    })
    return {
      table: RESULT_TABLES.VOUCHER,
      insert: gift => inserts.add(gift),
      insertAll: gifts => inserts.addAll(gifts),
      find: targetId => finds.add(targetId),
      move: transition => moves.add(transition),
    }
  }

  #find(targetId: string): GiftRow | undefined {
    const row = this.rows.get(targetId)
    return row && { ...row }
  }

  #insert(gift: NewGift): InsertOutcome {
    const { targetId, promotionId, wantsEntry } = gift
    const promotion = this.promotions.get(promotionId)
    if (this.rows.has(targetId)) return { kind: 'duplicate' }
    if (promotion === undefined) return { kind: 'skipped', reason: 'promotion-not-found' }
    if (promotion.status === 'STOPPED') return { kind: 'skipped', reason: 'promotion-stopped' }
    if (promotion.status === 'COMPLETED') return { kind: 'skipped', reason: 'promotion-completed' }
    const isEnqueued = wantsEntry && promotion.status === 'IN_PROGRESS'
    const { nowMs } = this.#world.scheduler
    this.rows.set(targetId, {
      ...gift,
      processStatus: 'PENDING',
      moneyKey: null,
      attempts: 0,
      createdAtMs: Date.now(),
      askFirst: false,
      isEnqueued,
      updatedAtMs: nowMs,
      errorCode: undefined,
      moves: [],
    })
    this.#world.tell('rows', () => `gift ${targetId} is a row, PENDING${isEnqueued ? '' : ', without an entry'}`)
    return { kind: 'inserted', promotionStatus: promotion.status, enqueued: isEnqueued }
  }

  #move(process: SimProcess, transition: Transition): TransitionOutcome {
    const { targetId, to, posts } = transition
    const row = this.rows.get(targetId)
    if (row === undefined) return { changed: false }
    const previous = { processStatus: row.processStatus, moneyKey: row.moneyKey }
    const isOpen = row.processStatus === 'PENDING' || row.processStatus === 'RETRYING'
    const isSettling = row.processStatus === 'UNKNOWN' && (to === 'SUCCESS' || to === 'FAILED')
    const changed = isOpen || isSettling || this.#world.plan.plants.has('last-write-wins')
    if (!changed) return { changed, previous }
    if (row.processStatus === 'SUCCESS' || row.processStatus === 'FAILED') {
      this.wrong.push(`I4: gift ${targetId} went from ${row.processStatus} to ${to}`)
    }
    row.processStatus = to
    row.attempts += posts
    row.updatedAtMs = this.#world.scheduler.nowMs
    row.moves.push(to)
    if (transition.to === 'SUCCESS') row.moneyKey = transition.moneyKey
    else row.errorCode = transition.errorCode
    if (to === 'UNKNOWN' && row.errorCode !== 'POISON' && row.attempts < MAX_ATTEMPTS) {
      this.wrong.push(`attempts: gift ${targetId} is given up after ${row.attempts} of ${MAX_ATTEMPTS}`)
    }
    this.#world.tell('rows', () => `${process.name} commits: gift ${targetId} is ${to}`)
    return { changed, previous }
  }
}
