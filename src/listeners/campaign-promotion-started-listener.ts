import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { handlePromotionStarted, type StartedDeps } from '#promotion/consumers/started.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { decodeUtf8 } from './decode.ts'
import { settleBatch } from './settle-batch.ts'

/** The planning documents' `CampaignPromotionStartedListener`: a broadcast, every worker process hears every event. */
export function campaignPromotionStartedListener(deps: StartedDeps & { retryer: Retryer }): BatchHandler {
  return async (messages, signal) => {
    await settleBatch(
      messages.map(
        ({ value, timestampMs }) =>
          () =>
            handlePromotionStarted(decodeUtf8(value) ?? '', deps, timestampMs),
      ),
      { retryer: deps.retryer, logger: deps.logger, signal },
    )
  }
}
