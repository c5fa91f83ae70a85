import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { ProgressBar } from '#runtime/progress-bar.ts'
import { countSkipped, countStates } from './account.ts'
import type { DemoPromotion } from './gifts.ts'

export interface WatchOptions {
  kysely: Kysely<unknown>
  promotions: readonly DemoPromotion[]
  messages: number
  progress: ProgressBar
  /** Has every message been acknowledged by Kafka? Before that nothing can be final. */
  isPublished(): boolean
  countInvalid(): Promise<number>
}

const POLL_INTERVAL_MS = 100
/** Counters know nothing of UNKNOWN ones: when they stand still this long, every row is counted. */
const QUIET_MS = 1000
/** Nothing has moved for this long: it is not going to. */
const STALLED_MS = 120_000

/** Watches until every gift is in a final state; false when nothing has moved for two minutes. */
export async function watchUntilFinal(options: WatchOptions): Promise<boolean> {
  const { kysely, promotions, messages, progress, isPublished } = options
  let done = 0
  let movedAt = Date.now()
  let countedAt = 0
  for (;;) {
    const now = await countFinal(kysely, promotions)
    if (now !== done) movedAt = Date.now()
    done = now
    progress.update(done)
    if (done === messages) return true
    if (Date.now() - movedAt > STALLED_MS) return false
    if (isPublished() && Date.now() - movedAt > QUIET_MS && Date.now() - countedAt > QUIET_MS) {
      countedAt = Date.now()
      if (await isAllFinal(options)) return true
    }
    await sleep(POLL_INTERVAL_MS)
  }
}

async function isAllFinal({ kysely, promotions, messages, countInvalid }: WatchOptions): Promise<boolean> {
  const { PENDING, RETRYING, SUCCESS, FAILED, UNKNOWN } = await countStates(kysely, promotions)
  if (PENDING + RETRYING > 0) return false
  const refused = (await countSkipped(kysely, promotions)) + (await countInvalid())
  return SUCCESS + FAILED + UNKNOWN + refused >= messages
}

/** SUCCESS and FAILED ones, by the summary counters: a handful of rows however many gifts there are. */
async function countFinal(kysely: Kysely<unknown>, promotions: readonly DemoPromotion[]): Promise<number> {
  const { rows } = await sql<{ done: number }>`
    select coalesce(sum(success_count + failed_count), 0)::float8 as done from campaign_promotion_summary
    where promotion_id = any (${promotions.map(({ id }) => id)}::bigint[])`.execute(kysely)
  return rows[0]?.done ?? 0
}
