import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { PromotionEntry } from '#queues/promotion-stream.ts'
import { CodedError } from '#runtime/errors.ts'
import type { DiscardResult, Page, ReplayResult, StoredDeadLetter, WhichLetters } from '#stream/index.ts'
import { type PromotionQueueDeps, promotionQueue } from './promotion-queue.ts'

/** An entry of a promotion that was given up. */
export interface PromotionDeadLetter {
  /** The letter's own id, by which it is replayed or discarded. */
  id: string
  /** The id that the entry had on the promotion's stream. */
  entryId: string
  /** When it was given up, ISO 8601. */
  at: string
  reason: string
  deliveries: number
  /** The gift's message, as Kafka had it. */
  message: string
}

/** Which letters of a promotion: by their ids, by a text in their reason, or, where neither is said, all. */
export interface WhichDeadLetters {
  ids?: readonly string[] | undefined
  reason?: string | undefined
}

type Named = Pick<Promotion, 'id' | 'type'>

export interface PromotionDeadLetters {
  page(
    promotion: Named,
    options: { after?: string | undefined; limit?: number; reason?: string | undefined },
  ): Promise<Page<PromotionDeadLetter>>
  /** How many each promotion has, by its id. One command a promotion. */
  count(promotions: readonly Named[]): Promise<Map<string, number>>
  /**
   * Puts their entries on the promotion's stream again, and nothing else: rows and keys stay what they are, and the row says
   * what is to be done. Throws `PROMOTION_NOT_FOUND`, or `PROMOTION_WRONG_STATE` where nobody reads the stream.
   */
  replay(promotionId: string, which: WhichDeadLetters): Promise<ReplayResult>
  /** Deletes them; rows and keys stay what they are. Throws `PROMOTION_NOT_FOUND`. */
  discard(promotionId: string, which: WhichDeadLetters): Promise<DiscardResult>
}

/** Dead letters of promotions, for admin and command line. */
export function createPromotionDeadLetters(
  deps: PromotionQueueDeps & { promotions: Pick<PromotionRepository, 'find'> },
): PromotionDeadLetters {
  const found = async (promotionId: string) => {
    const promotion = await deps.promotions.find(promotionId)
    if (promotion !== undefined) return promotion
    throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${promotionId} does not exist`)
  }
  return {
    page: async (promotion, { after, limit, reason }) => {
      const options = {
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
        ...(reason === undefined ? {} : { reason }),
      }
      const { items, next } = await promotionQueue(promotion, deps).deadLetters().page(options)
      return { items: items.map(shown), next }
    },
    count: async promotions => {
      const counts = promotions.map(async promotion => {
        const count = await promotionQueue(promotion, deps).deadLetters().count()
        return [promotion.id, count] as const
      })
      return new Map(await Promise.all(counts))
    },
    replay: async (promotionId, which) => {
      const promotion = await found(promotionId)
      const { status } = promotion
      if (status === 'COMPLETED' || status === 'STOPPED')
        throw new CodedError('PROMOTION_WRONG_STATE', `promotion ${promotionId} is ${status}: nobody reads its stream`)
      return promotionQueue(promotion, deps).replay(toWhich(which))
    },
    discard: async (promotionId, which) => promotionQueue(await found(promotionId), deps).discard(toWhich(which)),
  }
}

const toWhich = ({ ids, reason }: WhichDeadLetters): WhichLetters<PromotionEntry> =>
  ids ?? (reason === undefined ? {} : { reason })

function shown({
  id,
  entryId,
  timestamp,
  reason,
  deliveries,
  data,
}: StoredDeadLetter<PromotionEntry>): PromotionDeadLetter {
  return { id, entryId, at: new Date(timestamp).toISOString(), reason, deliveries, message: data?.message ?? '' }
}
