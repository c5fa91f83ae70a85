import type { Kysely } from 'kysely'
import { type AuditRow, findAuditRows, skippedOffsetPages } from '#database/gifts/audit-rows.ts'
import type { KafkaClient } from '#kafka/client.ts'
import type { TopicMessage } from '#kafka/topic-message.ts'
import { fetchCommitted, fetchRanges, readRanges, type TopicRanges } from '#kafka/topic-reader.ts'
import { rowIdentity } from '#promotion/audit/charge-match.ts'
import type { Discrepancies } from '#promotion/audit/discrepancies.ts'
import type { AuditProgress } from '#promotion/audit/report.ts'
import { MARK, type RowTable } from '#promotion/audit/row-table.ts'
import { MAX_VALUE_BYTES, type MessageOrigin } from '#promotion/intake/invalid-messages.ts'
import { byGiftType, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import { promotionIdOf, readGift } from './gift-reader.ts'
import { type AuditedMessage, type Explained, isExpired, type MessageVerdict, matchMessage } from './message-match.ts'
import { PlaceSet } from './place-set.ts'
import type { MissingGift, Repair } from './repair.ts'

export interface MessageSources {
  kysely: Kysely<unknown>
  kafka: KafkaClient
  topics: Readonly<Record<PromotionType, string>>
  invalidTopic: string
  /** Groups of the listeners: how far each type has been consumed. */
  groupIds: Readonly<Record<PromotionType, string>>
  promotionIds: readonly string[]
  tables: Readonly<Record<PromotionType, RowTable>>
  discrepancies: Discrepancies
  progress: AuditProgress
  /** Puts back what is missing; without it, it is named. */
  repair?: Repair
}

export type MessageCounts = Record<'messages' | 'duplicates' | 'skipped' | 'invalid' | 'expired' | 'repaired', number>

const PAGE_SIZE = 5000
const RECHECK_SIZE = 500

/**
 * Joins what Kafka holds with the rows, which must have been read before: a message that came since is looked up again
 * before anything is reported.
 */
export async function auditMessages(sources: MessageSources): Promise<MessageCounts> {
  const { kafka, topics, invalidTopic, tables, progress } = sources
  const ranges = await fetchRanges(kafka, [...Object.values(topics), invalidTopic])
  for (const type of PROMOTION_TYPES) {
    if (!ranges.has(topics[type]) && tables[type].size > 0)
      throw new CodedError('KAFKA_TOPIC_MISSING', `Kafka has no topic ${topics[type]}, but there are ${type} rows`)
  }
  const committedOf = (type: PromotionType) =>
    ranges.has(topics[type]) ? fetchCommitted(kafka, sources.groupIds[type], topics[type]) : new Map<number, bigint>()
  const committed = byGiftType(() => new Map<number, bigint>())
  for (const type of PROMOTION_TYPES) committed[type] = await committedOf(type)
  const explained = await loadExplained(sources, ranges)
  const audit = new MessageAudit(sources, explained, committed)
  const gifts = new Map([...ranges].filter(([topic]) => topic !== invalidTopic))
  progress.begin('messages', sizeOf(gifts))
  await readRanges(kafka, gifts, messages => audit.onMessages(messages))
  await audit.flush()
  progress.end()
  await audit.judgeRows(ranges)
  return audit.counts
}

function sizeOf(ranges: TopicRanges): number {
  return [...ranges.values()].flat().reduce((sum, { low, high }) => sum + Number(high - low), 0)
}

async function loadExplained({ kysely, kafka, invalidTopic }: MessageSources, ranges: TopicRanges): Promise<Explained> {
  const [skipped, invalid] = [new PlaceSet(), new PlaceSet(MAX_VALUE_BYTES)]
  for await (const page of skippedOffsetPages(kysely, PAGE_SIZE))
    for (const { topic, partition, offset, content } of page) skipped.add(topic, partition, offset, content)
  const invalidRanges = ranges.get(invalidTopic) ?? []
  await readRanges(kafka, new Map([[invalidTopic, invalidRanges]]), messages => {
    for (const { value } of messages) {
      const origin = originOf(value)
      if (origin !== undefined)
        invalid.add(origin.topic, origin.partition, origin.offset, invalid.contentOf(origin.value))
    }
  })
  return { skipped, invalid, isInvalidTrimmed: invalidRanges.some(({ low }) => low > 0n) }
}

function originOf(value: Buffer | null): MessageOrigin | undefined {
  try {
    const { topic, partition, offset, valueBase64 } = JSON.parse(String(value)) as Record<string, unknown>
    const isOrigin = typeof topic === 'string' && Number.isInteger(partition) && /^\d{1,19}$/.test(String(offset))
    if (!isOrigin || typeof valueBase64 !== 'string') return undefined
    const original = Buffer.from(valueBase64, 'base64')
    return { topic, partition: partition as number, offset: String(offset), value: original }
  } catch {
    return undefined
  }
}

class MessageAudit {
  readonly counts: MessageCounts = { messages: 0, duplicates: 0, skipped: 0, invalid: 0, expired: 0, repaired: 0 }
  readonly #sources: MessageSources
  readonly #explained: Explained
  readonly #committed: Readonly<Record<PromotionType, ReadonlyMap<number, bigint>>>
  readonly #promotionIds: ReadonlySet<string>
  readonly #typeOf: ReadonlyMap<string, PromotionType>
  /** Messages that nothing accounts for, until they have been looked up again. */
  readonly #lost: Record<PromotionType, AuditedMessage[]> = byGiftType(() => [])

  constructor(
    sources: MessageSources,
    explained: Explained,
    committed: Readonly<Record<PromotionType, ReadonlyMap<number, bigint>>>,
  ) {
    this.#sources = sources
    this.#explained = explained
    this.#committed = committed
    this.#promotionIds = new Set(sources.promotionIds)
    this.#typeOf = new Map(PROMOTION_TYPES.map(type => [sources.topics[type], type]))
  }

  async onMessages(messages: readonly TopicMessage[]): Promise<void> {
    const { tables, progress } = this.#sources
    for (const { topic, partition, offset, value, timestampMs } of messages) {
      const type = this.#typeOf.get(topic)
      if (type === undefined) continue
      const gift = readGift(type, value)
      const message = {
        topic,
        partition,
        offset,
        value,
        gift,
        promotionId: gift?.promotionId ?? promotionIdOf(value),
        timestampMs,
      }
      this.#count(type, message, matchMessage(message, tables[type], this.#explained, this.#promotionIds))
    }
    progress.advance(messages.length)
    await this.flush(RECHECK_SIZE)
  }

  #count(type: PromotionType, message: AuditedMessage, verdict: MessageVerdict): void {
    const { counts } = this
    if (verdict === 'foreign') return
    counts.messages += 1
    if (verdict === 'duplicate') counts.duplicates += 1
    else if (verdict === 'skipped') counts.skipped += 1
    else if (verdict === 'invalid') counts.invalid += 1
    else if (verdict === 'lost') this.#lost[type].push(message)
    else if (verdict === 'differs') this.#report('row-differs-from-message', type, message)
  }

  /** Looks the lost ones up again, once there are `atLeast` so many. */
  async flush(atLeast = 1): Promise<void> {
    for (const type of PROMOTION_TYPES) {
      const lost = this.#lost[type]
      while (lost.length >= atLeast) await this.#recheck(type, lost.splice(0, RECHECK_SIZE))
    }
  }

  async #recheck(type: PromotionType, lost: readonly AuditedMessage[]): Promise<void> {
    const targetIds = lost.flatMap(({ gift }) => gift?.targetId ?? [])
    const rows = targetIds.length === 0 ? [] : await findAuditRows(this.#sources.kysely, type, targetIds, 0)
    const byTarget = new Map(rows.map(row => [row.targetId, row]))
    const missing: (AuditedMessage & MissingGift)[] = []
    for (const message of lost) {
      const row = message.gift && byTarget.get(message.gift.targetId)
      // Its row came after the rows were read: neither is part of this account.
      if (row !== undefined && isSameGift(row, message)) this.counts.messages -= 1
      else if (message.gift !== undefined && row === undefined && this.#isPassed(type, message))
        missing.push({ ...message, type, gift: message.gift })
      else this.#report('message-without-row', type, message, row)
    }
    if (missing.length > 0) await this.#repairOrReport(type, missing)
  }

  /** Has the listener committed beyond it? Else it will come to it. */
  #isPassed(type: PromotionType, { partition, offset }: AuditedMessage): boolean {
    const committed = this.#committed[type].get(partition)
    return committed !== undefined && BigInt(offset) < committed
  }

  async #repairOrReport(type: PromotionType, missing: readonly (AuditedMessage & MissingGift)[]): Promise<void> {
    const outcomes = await this.#sources.repair?.(missing)
    for (const [index, message] of missing.entries()) {
      const outcome = outcomes?.[index]
      if (outcome === 'inserted' || outcome === 'duplicate' || outcome === 'skipped') this.counts.repaired += 1
      else this.#report('message-without-row', type, message)
    }
  }

  #report(
    kind: 'message-without-row' | 'row-differs-from-message',
    type: PromotionType,
    message: AuditedMessage,
    row?: AuditRow,
  ): void {
    const { topic, partition, offset, gift, promotionId } = message
    const detail = kind === 'message-without-row' ? this.#reason(type, message, row) : undefined
    const ids = { ...(promotionId && { promotionId }), ...(gift && { targetId: gift.targetId }) }
    this.#sources.discrepancies.add({
      kind,
      type,
      ...ids,
      topic,
      partition,
      offset,
      ...(detail === undefined ? {} : { detail }),
    })
  }

  #reason(type: PromotionType, { partition, offset, gift }: AuditedMessage, row?: AuditRow): string | undefined {
    const committed = this.#committed[type].get(partition)
    if (committed !== undefined && BigInt(offset) >= committed) return 'the listener has not come to it yet'
    if (gift === undefined) return 'it cannot be a gift, and is not on the invalid topic'
    if (row !== undefined) return 'its target has a row with another promotion, member or amount'
    if (committed === undefined) return undefined
    return 'the listener has passed it: its row was lost or deleted (--repair puts it back)'
  }

  /** Rows whose message ought to be there and was not seen; where it stood is looked up again. */
  async judgeRows(ranges: TopicRanges): Promise<void> {
    for (const type of PROMOTION_TYPES) {
      const table = this.#sources.tables[type]
      const low = new Map(ranges.get(this.#sources.topics[type])?.map(range => [range.partition, range.low]))
      let unseen: number[] = []
      for (let row = 0; row < table.size; row++) {
        if (!table.has(row, MARK.messageSeen)) unseen.push(row)
        if (unseen.length < RECHECK_SIZE && row < table.size - 1) continue
        await this.#judgeUnseen(type, unseen, low)
        unseen = []
      }
    }
  }

  async #judgeUnseen(type: PromotionType, unseen: readonly number[], low: ReadonlyMap<number, bigint>): Promise<void> {
    if (unseen.length === 0) return
    const { tables, kysely, topics, discrepancies } = this.#sources
    const targetIds = unseen.map(row => tables[type].targetId(row))
    const byTarget = new Map((await findAuditRows(kysely, type, targetIds, 0)).map(row => [row.targetId, row]))
    for (const row of unseen) {
      const identity = rowIdentity(type, tables[type], row)
      const { kafkaPartition: partition, kafkaOffset: offset } = byTarget.get(tables[type].targetId(row)) ?? NOWHERE
      if (isExpired({ kafkaPartition: partition, kafkaOffset: offset }, low)) this.counts.expired += 1
      else if (partition === null || offset === null)
        discrepancies.add({ kind: 'row-without-message', ...identity, detail: 'it names no partition and offset' })
      else discrepancies.add({ kind: 'row-without-message', ...identity, topic: topics[type], partition, offset })
    }
  }
}

const NOWHERE = { kafkaPartition: null, kafkaOffset: null }

function isSameGift(row: AuditRow, { gift }: AuditedMessage): boolean {
  return row.promotionId === gift?.promotionId && row.memberId === gift.memberId && row.amount === gift.amount
}
