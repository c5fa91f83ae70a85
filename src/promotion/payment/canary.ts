import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { GiftRow } from '#database/gifts/gift.ts'
import type { CanaryGift, CanaryRepository } from '#database/promotions/canary.ts'
import type { LookupMeaning } from '#money/charge.ts'
import type { ChargeOutcome, MoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'

export interface CanaryOptions {
  repository: CanaryRepository
  moneyCampaignChargeApi: Pick<MoneyCampaignChargeApi, 'lookup'>
  /** `PROMOTION_CANARY_GIFTS`: the first gifts of each promotion. */
  gifts: number
  /** IN_PROGRESS → PAUSED with its reason. */
  pause(promotionId: string, reason: string): Promise<unknown>
  logger: Logger
}

/** Of the first gifts, over all instances. */
const AT_ONCE = 5
/** A charge may take a moment until the Money API's GET sees it. */
const LOOK_PAUSES_MS = [0, 100, 500]
const MAX_PROMOTIONS = 1000
/** No turn was free: how long nobody asks for one again, in ms. */
const NEXT_ASK_MS = 250
const WAITS: ChargeOutcome = { kind: 'blocked', reason: 'the first gifts are to be confirmed before', posts: 0 }

/**
 * The first gifts of a promotion are paid a few at a time, and each is asked about by GET, with the key that its target
 * must have: there must be a charge, with the transaction key that the POST was answered with and, where the Money API tells
 * it, the amount of the row. What differs pauses the promotion before more are paid; whoever resumes it has it begin anew.
 */
export class Canary {
  readonly #options: CanaryOptions
  /** Once passed, for ever. */
  readonly #passed = new LRUCache<string, true>({ max: MAX_PROMOTIONS })
  /** Who asks for a turn now, and from when on others may. */
  readonly #asks = new LRUCache<string, { underWay: number; notBeforeMs: number }>({ max: MAX_PROMOTIONS })

  constructor(options: CanaryOptions) {
    this.#options = options
  }

  hasPassed(promotionId: string): boolean {
    return this.#passed.has(promotionId)
  }

  /** Pays by `charge` when it is this gift's turn. Rejects when the database does not say. */
  async around(type: PromotionType, row: GiftRow, charge: () => Promise<ChargeOutcome>): Promise<ChargeOutcome> {
    const { repository } = this.#options
    const gift = { type, promotionId: row.promotionId, targetId: row.targetId }
    const known = await repository.lookUp(gift)
    const turn = known === 'wait' && (await this.#take(gift)) ? 'mine' : known
    if (turn === 'passed') this.#passed.set(row.promotionId, true)
    if (turn === 'wait') return WAITS
    const outcome = await charge()
    if (turn === 'passed') return outcome
    if (outcome.kind === 'failed') await repository.confirm(gift)
    return outcome.kind === 'charged' ? this.#confirm(type, row, outcome) : outcome
  }

  /** A backlog of waiting gifts asks a few times a second, not each gift for itself. */
  async #take(gift: CanaryGift): Promise<boolean> {
    const asks = this.#asks.get(gift.promotionId) ?? { underWay: 0, notBeforeMs: 0 }
    this.#asks.set(gift.promotionId, asks)
    if (asks.underWay >= AT_ONCE || performance.now() < asks.notBeforeMs) return false
    asks.underWay += 1
    try {
      const { repository, gifts } = this.#options
      const isTaken = await repository.take(gift, { gifts, atOnce: AT_ONCE })
      if (!isTaken) asks.notBeforeMs = performance.now() + NEXT_ASK_MS
      return isTaken
    } finally {
      asks.underWay -= 1
    }
  }

  async #confirm(
    type: PromotionType,
    row: GiftRow,
    outcome: ChargeOutcome & { kind: 'charged' },
  ): Promise<ChargeOutcome> {
    const { repository, pause, logger } = this.#options
    const { promotionId, targetId } = row
    const found = await this.#look(type, row)
    if (found.kind === 'unsettled' || found.kind === 'unauthorized') {
      const message = `paid, and not confirmed yet: ${found.code}`
      // It was paid, as far as is known: it must not be given up because nobody confirms it now.
      return { kind: 'unsettled', code: 'CANARY_UNCONFIRMED', message, posts: outcome.posts, isOutage: true }
    }
    const difference = differenceOf(row, outcome, found)
    if (difference === undefined) {
      await repository.confirm({ type, promotionId, targetId })
      return outcome
    }
    const reason = `canary: gift ${targetId}: ${difference}`
    // Paused first: who dies in between meets the same difference again.
    await pause(promotionId, reason)
    await repository.mismatch({ type, promotionId, targetId })
    logger.error({ promotionId, type, targetId }, `promotion paused: ${reason}`)
    return outcome
  }

  async #look(type: PromotionType, { targetId }: GiftRow): Promise<LookupMeaning> {
    let found: LookupMeaning = { kind: 'no-charge' }
    for (const pauseMs of LOOK_PAUSES_MS) {
      if (pauseMs > 0) await sleep(pauseMs)
      found = await this.#options.moneyCampaignChargeApi.lookup({ type, targetId })
      if (found.kind === 'charged') return found
    }
    return found
  }
}

/** Undefined: what is charged is what the row says. */
function differenceOf(
  row: GiftRow,
  { transactionKey }: { transactionKey: string },
  found: LookupMeaning & { kind: 'charged' | 'no-charge' },
): string | undefined {
  if (found.kind === 'no-charge')
    return 'the Money API has no charge for its key, although it answered that it was paid'
  if (found.transactionKey !== transactionKey)
    return `its key has the charge ${found.transactionKey}, and not ${transactionKey} as answered`
  if (found.amount !== undefined && found.amount !== row.amount)
    return `${found.amount} was charged, and not ${row.amount}`
  return undefined
}
