import type { QueueJob, QueueJobJson } from '@bull-board/api/dist/types.js'
import type { GiftRecord } from '#database/gifts/gift.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { refused } from './refused.ts'

export const JOB_STATE_OF = {
  PENDING: 'waiting',
  RETRYING: 'delayed',
  SUCCESS: 'completed',
  FAILED: 'failed',
  UNKNOWN: 'failed',
} as const satisfies Record<ProcessStatus, string>

/** A gift as the board knows a job. `retry` is another attempt with the same key, and refuses what is final. */
export function toJob(gift: GiftRecord, { isActive, retry }: { isActive: boolean; retry(): Promise<void> }): QueueJob {
  return {
    opts: {},
    toJSON: () => toJson(gift),
    getState: async () => (isActive ? 'active' : JOB_STATE_OF[gift.processStatus]),
    retry,
    promote: async () => refused('promoting'),
    remove: async () => refused('removing'),
  }
}

function toJson(gift: GiftRecord): QueueJobJson {
  const { targetId, processStatus, attempts, errorCode, errorMessage, moneyKey, message } = gift
  const isFinal = processStatus !== 'PENDING' && processStatus !== 'RETRYING'
  const error = errorCode === null ? '' : `${errorCode}: ${errorMessage ?? ''}`
  const { partitionKey, memberId, amount, promotionId, promotionSummaryId, kafkaPartition, kafkaOffset, type } = gift
  return {
    id: targetId,
    name: processStatus,
    progress: isFinal ? 100 : 0,
    attemptsMade: attempts,
    timestamp: Date.parse(gift.createdAt),
    // When its last attempt began is not recorded, and without a value the board counts from 1970.
    processedOn: attempts > 0 ? Date.parse(gift.updatedAt) : null,
    finishedOn: isFinal ? Date.parse(gift.updatedAt) : null,
    failedReason: processStatus === 'SUCCESS' ? '' : error,
    stacktrace: [],
    data: {
      idempotencyKey: `${type}:${targetId}`,
      ...{ promotionId, promotionSummaryId, targetId, partitionKey, memberId, amount, kafkaPartition, kafkaOffset },
      message,
    },
    returnvalue: moneyKey === null ? null : { moneyKey },
    opts: {},
  }
}
