import type { Kysely } from 'kysely'
import { listLeftRows } from '#database/gifts/sweep-rows.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import type { Logger } from '#runtime/logger.ts'
import { guarded } from './guarded.ts'

const PAGE_SIZE = 500

export interface LostRetriesDeps {
  kysely: Kysely<unknown>
  retryJobs: Pick<RetryJobs, 'revive'>
  ageMs: number
  /** Without it (the process stops) no further page is begun. */
  hasTime(): boolean
}

/**
 * Gives every RETRYING row that has been left for `ageMs` a live job again: one that is gone (a wiped Redis, a lost
 * retry message) is added, one in the failed set is retried, a live one stays as it is. @returns how many had none.
 */
export async function reviveLostRetries(
  promotion: Pick<Promotion, 'id' | 'type'>,
  { kysely, retryJobs, ageMs, hasTime }: LostRetriesDeps,
): Promise<number> {
  const { id: promotionId, type } = promotion
  let revived = 0
  for (let afterId = '0'; ; ) {
    const rows = await listLeftRows(kysely, promotion, { status: 'RETRYING', ageMs, afterId, limit: PAGE_SIZE })
    const jobs = rows.map(({ targetId, attempts }) => ({ data: { type, promotionId, targetId }, attempts }))
    if (jobs.length > 0) revived += await retryJobs.revive(jobs)
    if (rows.length < PAGE_SIZE || !hasTime()) return revived
    afterId = rows.at(-1)?.id ?? afterId
  }
}

export interface ResumedRetriesDeps extends Pick<LostRetriesDeps, 'kysely' | 'retryJobs'> {
  promotions: Pick<PromotionRepository, 'listResumed'>
  /** What was dropped longer ago the sweep finds, in ms. */
  sweepAgeMs: number
  logger: Logger
  /** In ms, of a clock that only goes forward. Default: the process's. */
  now?(): number
}

/** By then no process takes a promotion that runs again for one that does not, in ms: no more of its jobs are dropped. */
const LATE_DROPS_MS = 5000
/**
 * A row that became RETRYING less than this many ms ago is left to its retry message, which may still be on its way: only
 * the message knows what `Retry-After` said, and does not change a job that is there already.
 */
const RETRY_MESSAGE_MS = 3000
/** A search that begins this many ms after the promotion went on finds the last one that was dropped. */
const LAST_SEARCH_MS = LATE_DROPS_MS + RETRY_MESSAGE_MS

/**
 * Retry jobs of a promotion that does not run are dropped: they would come round for as long as the pause lasts, in front
 * of everybody else's. When it goes on, by whomever, its RETRYING rows get their jobs back.
 */
export class ResumedRetries {
  readonly #deps: ResumedRetriesDeps
  /** When the last search of a promotion began. */
  readonly #searchedAtMs = new Map<string, number>()

  constructor(deps: ResumedRetriesDeps) {
    this.#deps = deps
  }

  /** One that fails is searched again in the next round; any number of instances may search: a live job stays as it is. */
  async round(hasTime: () => boolean): Promise<void> {
    const { promotions, sweepAgeMs, logger, now = performance.now.bind(performance) } = this.#deps
    const resumed = await promotions.listResumed(sweepAgeMs)
    const ids = new Set(resumed.map(({ id }) => id))
    for (const id of this.#searchedAtMs.keys()) if (!ids.has(id)) this.#searchedAtMs.delete(id)
    for (const promotion of resumed) {
      const { id, resumedForMs } = promotion
      const nowMs = now()
      const isFound = (this.#searchedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) >= nowMs - resumedForMs + LAST_SEARCH_MS
      if (isFound || !hasTime()) continue
      await guarded({ promotionId: id }, logger, async () => {
        await this.#search(promotion, hasTime)
        this.#searchedAtMs.set(id, nowMs)
      })
    }
  }

  async #search(promotion: Pick<Promotion, 'id' | 'type'>, hasTime: () => boolean): Promise<void> {
    const { kysely, retryJobs, logger } = this.#deps
    const revived = await reviveLostRetries(promotion, { kysely, retryJobs, ageMs: RETRY_MESSAGE_MS, hasTime })
    if (revived > 0)
      logger.info(
        { promotionId: promotion.id, revived },
        'the promotion goes on: its RETRYING gifts have their jobs again',
      )
  }
}
