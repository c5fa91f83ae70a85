import { GIFT_TYPES } from '#queues/gift-types.ts'
import type { Row } from './rows-model.ts'
import type { World } from './world.ts'

const INTERVAL_MS = 2000
const SWEEP_AGE_MS = 6000

/** Refill and upkeep in short, beyond the reach of faults: rows without an entry or a job get one. */
export class UpkeepModel {
  readonly #world: World
  /** Entries put back: each may be a second one, and cost a call more. */
  requeued = 0

  constructor(world: World) {
    this.#world = world
  }

  start(): void {
    const round = () => {
      for (const promotionId of this.#world.promotionIds) this.#sweep(promotionId, SWEEP_AGE_MS)
      this.#world.scheduler.after(undefined, INTERVAL_MS, round)
    }
    this.#world.scheduler.after(undefined, INTERVAL_MS, round)
  }

  /** A start or resume puts back at once what has no entry. */
  rebuild(promotionId: string): void {
    this.#sweep(promotionId, 0)
  }

  /** What a stop leaves on the stream is removed. */
  clear(promotionId: string): void {
    const key = GIFT_TYPES.VOUCHER.streamKey(promotionId)
    if (!this.#world.isRedisDown) this.#world.redis.execute(['XTRIM', key, 'MAXLEN', '0'])
  }

  add(row: Row): void {
    const key = GIFT_TYPES.VOUCHER.streamKey(row.promotionId)
    this.#world.tell('upkeep', () => `gift ${row.targetId} gets an entry`)
    this.#world.redis.execute(['XADD', key, '*', 'key', row.partitionKey, 'message', row.message])
  }

  #sweep(promotionId: string, ageMs: number): void {
    const { rows, redis, isRedisDown } = this.#world
    const status = rows.promotions.get(promotionId)?.status
    if (isRedisDown) return
    if (status === 'STOPPED') this.clear(promotionId)
    if (status !== 'IN_PROGRESS') return
    const answer = redis.execute(['XRANGE', GIFT_TYPES.VOUCHER.streamKey(promotionId), '-', '+'])
    const onStream = 'error' in answer ? '' : JSON.stringify(answer.reply)
    for (const row of rows.rows.values()) {
      if (row.promotionId !== promotionId) continue
      if (row.processStatus === 'PENDING') this.#putBack(row, onStream, ageMs)
      else this.#revive(row)
    }
  }

  #putBack(row: Row, onStream: string, ageMs: number): void {
    const ageNowMs = this.#world.scheduler.nowMs - row.updatedAtMs
    if (row.isEnqueued && (ageNowMs < ageMs || onStream.includes(`voucherTargetId\\":\\"${row.targetId}\\"`))) return
    if (row.isEnqueued) this.requeued += 1
    row.isEnqueued = true
    this.add(row)
  }

  #revive({ targetId, processStatus, errorCode, updatedAtMs, attempts }: Row): void {
    const isOpen = processStatus === 'RETRYING' || (processStatus === 'UNKNOWN' && errorCode !== 'POISON')
    if (isOpen && this.#world.scheduler.nowMs - updatedAtMs >= SWEEP_AGE_MS) this.#world.retries.add(targetId, attempts)
  }
}
