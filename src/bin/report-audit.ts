import type { AuditVerdict } from '#admin/report/closing-report.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import type { AdminConfig } from '#config/schemas.ts'
import { audit } from '#promotion/audit/audit.ts'
import { byGiftType } from '#queues/gift-types.ts'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { databaseOf, kafkaOf } from './connections.ts'

/** One statement of the audit may read every row of a promotion, in ms. */
const STATEMENT_TIMEOUT_MS = 600_000

/**
 * The audit as a closing report asks for it, on a connection of its own: rows against the messages that Kafka holds, and
 * counters against rows. Without Kafka it looks at the rows alone, and says so.
 */
export function reportAuditOf(config: AdminConfig, logger: Logger) {
  const topics = giftTopicsOf(config)
  return async (promotionId: string, onProgress: (share: number | null) => void): Promise<AuditVerdict> => {
    await using database = await databaseOf({
      ...config,
      DATABASE_POOL_MAX: 1,
      DATABASE_TIMEOUT_MS: STATEMENT_TIMEOUT_MS,
    })
    await database.start()
    const shared = {
      kysely: database.kysely,
      promotionIds: [promotionId],
      sweepAgeMs: config.SWEEP_AGE_MS,
      limit: 0,
      progress: progressOf(onProgress),
    }
    const kafka = {
      kafka: kafkaOf(config, logger),
      topics: byGiftType(type => topics[type].gifts.topic),
      groupIds: byGiftType(type => topics[type].gifts.groupId),
      invalidTopic: config.KAFKA_TOPIC_INVALID,
    }
    try {
      const { ok, counts } = await audit({ ...shared, kafka })
      return { ok, counts, incomplete: null }
    } catch (error) {
      const { ok, counts } = await audit(shared)
      return { ok, counts, incomplete: errorLine(error) }
    }
  }
}

function progressOf(onProgress: (share: number | null) => void) {
  let [total, done] = [0, 0]
  return {
    begin: (_what: string, count: number) => {
      ;[total, done] = [count, 0]
    },
    advance: (count: number) => {
      done += count
      onProgress(total > 0 ? Math.min(1, done / total) : null)
    },
    end: () => undefined,
  }
}
