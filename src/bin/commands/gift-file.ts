import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { type CsvError, parse } from 'csv-parse'
import { parseGift } from '#promotion/intake/gift-message.ts'
import { sourceOf } from '#queues/exact-integer.ts'
import { GIFT_TYPES, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { parseExact } from '#runtime/exact-json.ts'

export type GiftFileFormat = 'csv' | 'jsonl'

/** What stands in no row because it is the same for all. */
export interface GiftDefaults {
  type: PromotionType
  promotionId?: string
  promotionSummaryId?: string
}

/** One row of the file as the message it becomes, or why it cannot be one. `line` counts from 1. */
export type GiftRow = { line: number } & (
  | { ok: true; promotionId: string; targetId: string; key: string; json: string }
  | { ok: false; reason: string }
)

type Fields = Record<string, unknown>

export function formatOf(path: string): GiftFileFormat | undefined {
  const extension = /\.(csv|jsonl|ndjson)$/i.exec(path)?.[1]?.toLowerCase()
  return extension === 'ndjson' ? 'jsonl' : (extension as GiftFileFormat | undefined)
}

/** The rows in their order, one in memory at a time. Ids stay text; other columns and fields are kept as they are. */
export async function* readGiftFile(
  path: string,
  format: GiftFileFormat,
  defaults: GiftDefaults,
): AsyncGenerator<GiftRow> {
  const rows = format === 'csv' ? readCsv(path) : readJsonLines(path)
  for await (const { line, fields, columns } of rows) yield { line, ...toGift(fields, defaults, columns) }
}

interface RawRow {
  line: number
  /** A text: why the row cannot be read. */
  fields: Fields | string
  /** What the first line of a CSV file names. */
  columns?: string[]
}

async function* readCsv(path: string): AsyncGenerator<RawRow> {
  const parser = parse({ bom: true, columns: true, info: true, trim: true, skip_empty_lines: true })
  const input = createReadStream(path)
  input.on('error', error => parser.destroy(error))
  input.pipe(parser)
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: { lines: number }; record: Fields }>) {
      const given = Object.entries(record).filter(([, value]) => value !== '')
      yield { line: info.lines, fields: Object.fromEntries(given), columns: Object.keys(record) }
    }
  } catch (error) {
    const line = (error as Partial<CsvError> & { lines?: number }).lines
    if (line === undefined) throw error
    // Behind broken quotes or a wrong number of columns nobody knows where the next row begins.
    yield { line, fields: `not CSV: ${errorLine(error)}` }
  } finally {
    // A pipe leaves what it reads open when what it writes to has failed, or is wanted no more.
    input.destroy()
  }
}

async function* readJsonLines(path: string): AsyncGenerator<RawRow> {
  const input = createReadStream(path)
  let line = 0
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1
      const json = line === 1 ? text.replace(/^\uFEFF/, '') : text
      if (json.trim() !== '') yield { line, fields: readJson(json) }
    }
  } finally {
    input.destroy()
  }
}

function readJson(json: string): Fields | string {
  try {
    const value = parseExact(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : 'not a JSON object: each line is one'
  } catch (error) {
    return `not JSON: ${errorLine(error)}`
  }
}

/** What an option of the command may name instead of the file. */
const NAMED_FOR_ALL = [
  { field: 'promotionId', option: '--promotion' },
  { field: 'promotionSummaryId', option: '--summary' },
] as const

type Gift = Omit<Extract<GiftRow, { ok: true }>, 'line'> | Omit<Extract<GiftRow, { ok: false }>, 'line'>

function toGift(given: Fields | string, defaults: GiftDefaults, columns?: readonly string[]): Gift {
  if (typeof given === 'string') return { ok: false, reason: given }
  const { type, promotionId, promotionSummaryId } = defaults
  const { targetField } = GIFT_TYPES[type]
  const { targetId, ...others } = given
  const fields: Fields = {
    ...(promotionId === undefined ? {} : { promotionId }),
    ...(promotionSummaryId === undefined ? {} : { promotionSummaryId }),
    ...(targetId === undefined ? {} : { [targetField]: targetId }),
    ...others,
  }
  const missing = NAMED_FOR_ALL.find(({ field }) => fields[field] === undefined)
  if (missing !== undefined)
    return { ok: false, reason: `${missing.field} is missing: ${missing.option} gives it to every row` }
  const lacks = [targetField, 'memberId', 'amount'].find(field => fields[field] === undefined)
  if (lacks !== undefined)
    return { ok: false, reason: `${lacks} is missing${otherTypeIn(fields, type) || namesOf(lacks, columns)}` }
  // Members' gifts stay in their order when nobody says otherwise.
  fields.partitionKey ??= sourceOf(fields.memberId) ?? fields.memberId
  const json = JSON.stringify(fields)
  const parsed = parseGift(type, json)
  if (!parsed.ok) return { ok: false, reason: parsed.reason }
  const gift = parsed.message
  if (promotionId !== undefined && gift.promotionId !== promotionId)
    return { ok: false, reason: `promotionId is ${gift.promotionId}, not ${promotionId}` }
  return { ok: true, promotionId: gift.promotionId, targetId: gift.targetId, key: gift.partitionKey, json }
}

/** Whoever has the other type's column has most likely named the wrong type. */
function otherTypeIn(fields: Fields, type: PromotionType): string {
  if (fields[GIFT_TYPES[type].targetField] !== undefined) return ''
  const other = PROMOTION_TYPES.find(one => fields[GIFT_TYPES[one].targetField] !== undefined)
  return other === undefined ? '' : `, and ${GIFT_TYPES[other].targetField} is there: is --type ${type} right?`
}

const MAX_NAMES_LENGTH = 100

/** A header with a slip, with other separators than commas, or none at all: it is seen by what was read as names. */
function namesOf(lacking: string, columns: readonly string[] = []): string {
  if (columns.length === 0 || columns.includes(lacking)) return ''
  // A quoted name may have line ends, and a file of another kind anything.
  const names = columns.join(', ').replaceAll(/[\p{Cc}\s]+/gu, ' ')
  return `: the first line names ${names.length > MAX_NAMES_LENGTH ? `${names.slice(0, MAX_NAMES_LENGTH)}…` : names}`
}

/** What a file says of a gift type's columns, for a complaint about its header. */
export function assertFormat(path: string, format: GiftFileFormat | undefined): GiftFileFormat {
  const found = format ?? formatOf(path)
  if (found === undefined) throw new CodedError('USAGE', `${path}: say --format csv or --format jsonl`)
  return found
}
