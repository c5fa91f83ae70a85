import type { GiftRow, InsertOutcome, NewGift, Transition, TransitionOutcome } from '#database/gifts/gift.ts'
import type { SkippedGift } from '#database/gifts/skipped.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { KafkaEvent } from '#kafka/event-provider.ts'
import type { ChargeRequest } from '#money/charge.ts'
import type { ChargeOutcome } from '#money/charge-api.ts'
import { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import type { AbstractCampaignPromotionProcessor, ProcessorDeps } from '#promotion/payment/processor.ts'
import { createProcessors } from '#promotion/payment/processors.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { CampaignPromotionStatusCacheService } from '#promotion/payment/status-cache.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createLogger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'

/** A processor on injected parts: rows in a map, and everything it does to the outside in one list, in order. */
export interface ProcessorHarness {
  processor: AbstractCampaignPromotionProcessor
  /** Names of what was done, in order: `insert`, `enqueue`, `charge`, `SUCCESS`, `publish:topic`, … */
  calls: string[]
  rows: Map<string, GiftRow>
  events: KafkaEvent[]
  charges: ChargeRequest[]
  skipped: SkippedGift[]
  deps: ProcessorDeps
  json(overrides?: Record<string, unknown>): string
  /** Makes the named step reject, once a call. */
  fail: Map<string, Error>
  answer: { charge: ChargeOutcome; insert?: InsertOutcome; promotionStatus: PromotionStatus; room: boolean }
}

export const ORIGIN = { topic: 'gifts', partition: 1, offset: '7', value: Buffer.from('{}') }

export function createProcessorHarness(type: PromotionType, options: { streamEnabled: boolean }): ProcessorHarness {
  const calls: string[] = []
  const rows = new Map<string, GiftRow>()
  const fail = new Map<string, Error>()
  const answer: ProcessorHarness['answer'] = {
    charge: { kind: 'charged', transactionKey: 'tx-1', posts: 1 },
    promotionStatus: 'IN_PROGRESS',
    room: true,
  }
  const step = (name: string) => {
    calls.push(name)
    const error = fail.get(name)
    if (error !== undefined) throw error
  }
  const repository = fakeRepository(rows, step, answer)
  const logger = createLogger('test', 'silent')
  const metrics = createPromotionMetrics(createMetrics('test'))
  const events: KafkaEvent[] = []
  const charges: ChargeRequest[] = []
  const skipped: SkippedGift[] = []
  const results = { VOUCHER: repository, POINT: repository } as unknown as ProcessorDeps['results']
  const eventProviderService = {
    publish: async (event: KafkaEvent) => {
      step(`publish:${event.topic}`)
      events.push(event)
    },
  } as unknown as ProcessorDeps['eventProviderService']
  const deps: ProcessorDeps = {
    results,
    skipped: {
      insert: async gift => {
        step('skip')
        skipped.push(gift)
      },
    },
    resultUpdateService: new CampaignPromotionResultUpdateService({ results, metrics, logger }),
    promotionStatusCacheService: new CampaignPromotionStatusCacheService({
      find: async () => ({ status: answer.promotionStatus }) as never,
    }),
    eventProviderService,
    streams: promotionStreams(''),
    streamProducer: fakeProducer(step, answer),
    moneyCampaignChargeApi: {
      charge: async (request: ChargeRequest) => {
        step('charge')
        charges.push(request)
        return answer.charge
      },
    } as unknown as ProcessorDeps['moneyCampaignChargeApi'],
    invalidMessages: new InvalidMessageReporter(eventProviderService, 'invalid'),
    metrics,
    logger,
    settings: {
      streamEnabled: options.streamEnabled,
      maxAttempts: 8,
      keyTtlMs: 86_400_000,
      retryTopics: { VOUCHER: 'voucher-retry', POINT: 'point-retry' },
    },
  }
  const processor = createProcessors(deps)[type]
  const json = (overrides: Record<string, unknown> = {}) => JSON.stringify({ ...giftOf(type), ...overrides })
  return { processor, calls, rows, events, charges, skipped, deps, json, fail, answer }
}

function giftOf(type: PromotionType) {
  const target = type === 'VOUCHER' ? { voucherTargetId: '100' } : { pointTargetId: '100' }
  return { promotionId: '1', promotionSummaryId: '2', ...target, partitionKey: 'k', memberId: '5', amount: '1000' }
}

export function pendingRow(overrides: Partial<GiftRow> = {}): GiftRow {
  return {
    promotionId: '1',
    promotionSummaryId: '2',
    targetId: '100',
    partitionKey: 'k',
    memberId: '5',
    amount: '1000',
    processStatus: 'PENDING',
    moneyKey: null,
    attempts: 0,
    createdAtMs: Date.now(),
    askFirst: false,
    ...overrides,
  }
}

function fakeRepository(rows: Map<string, GiftRow>, step: (name: string) => void, answer: ProcessorHarness['answer']) {
  return {
    insert: async (gift: NewGift): Promise<InsertOutcome> => {
      step('insert')
      if (answer.insert !== undefined) return answer.insert
      if (rows.has(gift.targetId)) return { kind: 'duplicate' }
      rows.set(gift.targetId, pendingRow(gift))
      const isRunning = answer.promotionStatus === 'IN_PROGRESS'
      return { kind: 'inserted', promotionStatus: answer.promotionStatus, enqueued: isRunning && gift.wantsEntry }
    },
    async insertAll(gifts: readonly NewGift[]): Promise<PromiseSettledResult<InsertOutcome>[]> {
      return Promise.allSettled(gifts.map(gift => this.insert(gift)))
    },
    find: async (targetId: string) => {
      step('find')
      return rows.get(targetId)
    },
    move: async (transition: Transition): Promise<TransitionOutcome> => {
      step(transition.to)
      const row = rows.get(transition.targetId)
      if (row === undefined) return { changed: false }
      const previous = { processStatus: row.processStatus, moneyKey: row.moneyKey }
      if (row.processStatus === 'SUCCESS' || row.processStatus === 'FAILED') return { changed: false, previous }
      rows.set(transition.targetId, {
        ...row,
        processStatus: transition.to,
        attempts: row.attempts + transition.posts,
        moneyKey: transition.to === 'SUCCESS' ? transition.moneyKey : row.moneyKey,
      })
      return { changed: true, previous }
    },
  }
}

function fakeProducer(
  step: (name: string) => void,
  answer: ProcessorHarness['answer'],
): ProcessorDeps['streamProducer'] {
  return {
    admit: async () => answer.room,
    admitAll: async (_streamKey: string, count: number) => (answer.room ? count : 0),
    release: () => undefined,
    enqueueEach: async (_streamKey: string, entries: readonly unknown[]) =>
      entries.map(() => {
        try {
          step('enqueue')
          return true
        } catch (error) {
          return error
        }
      }),
    enqueue: async (streamKey: string) => {
      step('enqueue')
      void streamKey
    },
  } as unknown as ProcessorDeps['streamProducer']
}
