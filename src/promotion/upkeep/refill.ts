import type { Kysely } from 'kysely'
import { takeUnqueuedRows } from '#database/gifts/refill-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'

export interface RefillDeps {
  kysely: Kysely<unknown>
  producer: PromotionStreamProducer
}

export interface Refilled {
  /** Rows that got their entry. */
  moved: number
  /** Others may be waiting for room, or another process is at it. */
  isMoreLeft: boolean
}

/** How far refill has come with a promotion; kept by whoever calls it again and again. */
export interface RefillCursor {
  afterId: string
  /** When all rows were looked through last, by `performance.now()`. */
  fullLookAtMs: number
}

export function createRefillCursor(): RefillCursor {
  return { afterId: '0', fullLookAtMs: Number.NEGATIVE_INFINITY }
}

/** A row may be committed later than one with a greater id: at the end, refill looks from the first row again so often. */
const FULL_LOOK_MS = 5000
const BATCH_SIZE = 500
/** One turn: nobody else's promotion waits long behind it. */
const MAX_ROWS = 20_000

/**
 * Puts rows that never had an entry on the promotion's stream, in row order, while it has room (the stream is
 * a window over the rows). The one implementation, used by start, resume, rebuild and upkeep; any number may run.
 */
export async function refill(
  promotion: Pick<Promotion, 'id' | 'type'>,
  stream: PromotionStream,
  { kysely, producer }: RefillDeps,
  { maxRows = MAX_ROWS, cursor = createRefillCursor() }: { maxRows?: number; cursor?: RefillCursor } = {},
): Promise<Refilled> {
  const streamKey = stream.streamKey(promotion.id)
  let moved = 0
  while (moved < maxRows) {
    if (cursor.afterId === '0') cursor.fullLookAtMs = performance.now()
    const batch = await takeUnqueuedRows(
      kysely,
      promotion,
      cursor.afterId,
      async () => Math.min(BATCH_SIZE, await producer.room(streamKey)),
      rows =>
        producer.enqueueAll(
          streamKey,
          rows.map(({ partitionKey: key, message }) => ({ key, message })),
        ),
    )
    if (batch.kind === 'busy') return { moved, isMoreLeft: true }
    moved += batch.rows
    cursor.afterId = batch.lastId
    if (batch.rows < batch.limit) {
      if (performance.now() - cursor.fullLookAtMs < FULL_LOOK_MS) return { moved, isMoreLeft: false }
      cursor.afterId = '0'
      continue
    }
    if (batch.limit < BATCH_SIZE) return { moved, isMoreLeft: true }
  }
  return { moved, isMoreLeft: true }
}
