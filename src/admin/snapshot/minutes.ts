import type { Kysely } from 'kysely'
import { addMinuteSamples, thinMinuteSamples } from '#database/promotions/minute-samples.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

interface Sampled {
  id: string
  status: PromotionStatus
  done: number
  expected: number
  slotsInUse: number
}

const MINUTE_MS = 60_000
/** In minutes: once an hour old samples are thinned out. */
const THIN_EVERY = 60

/** Keeps a sample a minute of each promotion that runs, whichever admin process is the first to do so. */
export function createMinuteSamples({ kysely, logger }: { kysely: Kysely<unknown>; logger: Logger }) {
  let lastMinute = 0
  return {
    /** Never rejects: a minute that could not be written is missing from a plot. */
    add: async (promotions: readonly Sampled[], nowMs: number): Promise<void> => {
      const minute = Math.floor(nowMs / MINUTE_MS)
      if (minute === lastMinute) return
      lastMinute = minute
      const samples = promotions
        .filter(({ status }) => status === 'IN_PROGRESS')
        .map(({ id, done, expected, slotsInUse }) => ({ promotionId: id, done, total: expected, slotsInUse }))
      try {
        await addMinuteSamples(kysely, samples, new Date(minute * MINUTE_MS))
        if (minute % THIN_EVERY === 0) await thinMinuteSamples(kysely)
      } catch (error) {
        logger.debug({ err: toError(error) }, `no sample of this minute: ${errorLine(error)}`)
      }
    },
  }
}
