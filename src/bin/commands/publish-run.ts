import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { databaseOf, kafkaOf } from '#bin/connections.ts'
import { processEnvironment } from '#config/environment.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { loadConfig } from '#config/load.ts'
import { type PublishConfig, publishSchema } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { ensureTopics } from '#kafka/topics.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { withChange } from './change.ts'
import { assertFormat, type GiftDefaults, type GiftFileFormat, type GiftRow, readGiftFile } from './gift-file.ts'
import { createProgress, type Progress } from './progress.ts'
import { type PublishMark, readMark, writeMark } from './publish-mark.ts'

export interface PublishOptions {
  file: string
  type: PromotionType
  format?: GiftFileFormat
  promotion?: string
  summary?: string
  dryRun?: boolean
  restart?: boolean
  check: boolean
}

export interface PublishReport {
  rows: number
  /** Acknowledged by Kafka in this run, and in earlier ones that this one went on from. */
  published: number
  publishedBefore: number
  promotionIds: string[]
  /** The first of the rows that cannot be published; nothing is published when there are any. */
  invalid: { line: number; reason: string }[]
  invalidCount: number
}

const MAX_LISTED = 20
/** Rows between two marks: what a kill sends again at most. */
const CHUNK = 2000

interface GiftFile {
  path: string
  format: GiftFileFormat
  defaults: GiftDefaults
}

/** Validates the whole file, then publishes it from where an earlier run ended. */
export async function runPublish(options: PublishOptions): Promise<PublishReport> {
  const { file: path, type, promotion, summary } = options
  const config = loadConfig(publishSchema, processEnvironment())
  const file: GiftFile = {
    path,
    format: assertFormat(path, options.format),
    defaults: {
      type,
      ...(promotion === undefined ? {} : { promotionId: promotion }),
      ...(summary === undefined ? {} : { promotionSummaryId: summary }),
    },
  }
  const progress = createProgress()
  const report = await validate(file, progress)
  if (report.invalidCount > 0) return report
  if (report.rows === 0) throw new CodedError('EMPTY', `${path} holds no row`)
  if (options.dryRun === true && !options.check) return report
  return await withDatabase(config, async database => {
    if (options.check) await assertTaken(database, type, report.promotionIds)
    if (options.dryRun === true) return report
    const unchecked = options.check ? {} : { unchecked: true }
    const detail = { file: basename(path), type, rows: report.rows, ...unchecked }
    return await withChange(database.kysely, { what: 'publish', target: told(report.promotionIds), detail }, () =>
      publishFile(file, report, { config, progress, isRestart: options.restart === true }),
    )
  })
}

/** Ids as the activity log names them. */
function told(promotionIds: readonly string[]): string {
  const [first = '', ...others] = promotionIds
  return others.length === 0 ? first : `${first} and ${others.length} more`
}

async function validate(file: GiftFile, progress: Progress): Promise<PublishReport> {
  const invalid: PublishReport['invalid'] = []
  const promotionIds = new Set<string>()
  const lineOfTarget = new Map<string, number>()
  let rows = 0
  let invalidCount = 0
  const complain = (line: number, reason: string) => {
    invalidCount += 1
    if (invalid.length < MAX_LISTED) invalid.push({ line, reason })
  }
  const take = (row: GiftRow) => {
    if (!row.ok) return complain(row.line, row.reason)
    const earlier = lineOfTarget.get(row.targetId)
    if (earlier !== undefined) complain(row.line, `its target ${row.targetId} stands on line ${earlier} already`)
    lineOfTarget.set(row.targetId, row.line)
    promotionIds.add(row.promotionId)
  }
  progress.begin('check', 0)
  try {
    for await (const row of readGiftFile(file.path, file.format, file.defaults)) {
      rows += 1
      progress.advance(1)
      take(row)
    }
  } finally {
    progress.end()
  }
  return { rows, published: 0, publishedBefore: 0, promotionIds: [...promotionIds], invalid, invalidCount }
}

async function withDatabase<T>(config: PublishConfig, work: (database: Database) => Promise<T>): Promise<T> {
  const { DATABASE_URL: url } = config
  if (url === undefined)
    throw new CodedError(
      'CONFIG',
      'DATABASE_URL is not set: it holds the promotions, and the log of who published what',
    )
  const database = await databaseOf({ ...config, DATABASE_URL: url })
  try {
    await database.start()
    return await work(database)
  } finally {
    await database.stop()
  }
}

/** A gift for a promotion that is not there, of another type or over would be skipped, one by one. */
async function assertTaken({ kysely }: Database, type: PromotionType, promotionIds: string[]): Promise<void> {
  const promotions = createPromotionRepository(kysely)
  for (const id of promotionIds) {
    const promotion = await promotions.find(id)
    if (promotion === undefined) throw new CodedError('PROMOTION', `there is no promotion ${id}: create it first`)
    if (promotion.type !== type)
      throw new CodedError('PROMOTION', `promotion ${id} gives ${promotion.type}, not ${type}`)
    if (promotion.status === 'COMPLETED' || promotion.status === 'STOPPED')
      throw new CodedError('PROMOTION', `promotion ${id} is ${promotion.status}: it takes no gift`)
  }
}

interface PublishContext {
  config: PublishConfig
  progress: Progress
  isRestart: boolean
}

async function publishFile(file: GiftFile, checked: PublishReport, context: PublishContext): Promise<PublishReport> {
  const { config, progress, isRestart } = context
  const { KAFKA_BROKERS: brokers } = config
  if (brokers === undefined) throw new CodedError('CONFIG', 'KAFKA_BROKERS is not set')
  const { topic } = giftTopicsOf(config)[file.defaults.type].gifts
  const fingerprint = await fingerprintOf(file, topic, brokers)
  const mark = isRestart ? undefined : await readMark(file.path, fingerprint)
  const before = mark?.published ?? 0
  const report = { ...checked, publishedBefore: before }
  if (before >= checked.rows) return report
  const kafka = kafkaOf({ ...config, KAFKA_BROKERS: brokers }, createLogger('publish', 'silent'))
  await ensureTopics(kafka, [topic], config.KAFKA_TOPIC_PARTITIONS)
  await using events = createEventProvider(kafka)
  await events.start()
  progress.begin('publish', checked.rows)
  progress.advance(before)
  let published = before
  try {
    for await (const chunk of chunksOf(file, before)) {
      await publishChunk(events, topic, chunk)
      published += chunk.length
      await writeMark(file.path, { fingerprint, rows: checked.rows, published } satisfies PublishMark)
      progress.advance(chunk.length)
    }
  } catch (cause) {
    const how = `${published} of ${checked.rows} rows are published; the same command goes on from there`
    throw new CodedError('PUBLISH', `${errorLine(cause)}: ${how}`, { cause })
  } finally {
    progress.end()
  }
  return { ...report, published: published - before }
}

type ValidRow = Extract<GiftRow, { ok: true }>

async function* chunksOf({ path, format, defaults }: GiftFile, skipped: number): AsyncGenerator<ValidRow[]> {
  let seen = 0
  let chunk: ValidRow[] = []
  for await (const row of readGiftFile(path, format, defaults)) {
    seen += 1
    if (seen <= skipped) continue
    if (!row.ok) throw new CodedError('PUBLISH', `${path} changed while it was read`)
    chunk.push(row)
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

async function publishChunk(events: EventProviderService, topic: string, chunk: readonly ValidRow[]): Promise<void> {
  await Promise.all(chunk.map(({ key, json }) => events.publish({ topic, key, value: json })))
}

async function fingerprintOf({ path, defaults }: GiftFile, topic: string, brokers: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for await (const data of createReadStream(path)) hash.update(data as Buffer)
  return hash.update(JSON.stringify([defaults, topic, brokers])).digest('hex')
}
