import { errorLine } from '#runtime/errors.ts'
import { rawNumber } from '#runtime/exact-json.ts'
import { StreamError } from './errors.ts'

/**
 * How a queue's data becomes text, and text data again. The text lies in one field of the entry, `data`. What throws on the
 * way out rejects `add` (`STREAM_BAD_FIELDS`); what throws on the way in makes the entry a dead letter at once.
 */
export interface Codec<Data> {
  /** Makes text of what is added. What it throws rejects `add`. */
  encode(data: Data): string
  /** Makes data of that text. What it throws makes a dead letter. */
  decode(text: string): Data
}

/**
 * `json`: the default, `JSON.stringify` and `JSON.parse`; `bigint` is refused. `exact-json`: integers beyond ±(2^53 − 1)
 * come as `bigint`, and a `bigint` goes as the integer it is. `flat`: each property is a field of the entry, a string;
 * nothing is parsed.
 */
export type CodecName<Data> = 'json' | 'exact-json' | (IsFlat<Data> extends true ? 'flat' : never)

type IsFlat<Data> = [Data] extends [{ [Name in keyof Data]: string | undefined }] ? true : false

type Fields = Record<string, string>

/** A codec with its place on the wire. */
export interface WireCodec {
  toFields(data: unknown, name: string | undefined): Fields
  /** Throws where the fields are none of its own. */
  toData(fields: Readonly<Fields>): unknown
  nameOf(fields: Readonly<Fields>): string
  /** Whether an entry may have a name. */
  readonly keepsNames: boolean
}

/** The name of an entry that was given none, as every job of BullMQ has one. */
export const NO_NAME = '__default__'

const DATA = 'data'
const NAME = 'name'

const json: Codec<unknown> = { encode: data => JSON.stringify(data), decode: text => JSON.parse(text) }

/** Looks at what it was before `toJSON`: many programs give BigInt one that makes text of it. */
function keepBigint(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const own = this[key]
  return typeof own === 'bigint' ? rawNumber(String(own)) : value
}

const exactJson: Codec<unknown> = {
  encode: data => JSON.stringify(data, keepBigint),
  decode: text =>
    JSON.parse(text, ((_key: string, value: unknown, { source }: { source: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value) as (
      key: string,
      value: unknown,
    ) => unknown),
}

const flat: WireCodec = {
  toFields(data, name) {
    if (name !== undefined) throw new Error('the codec «flat» keeps no name: give the kind a field of its own')
    return data as Fields
  },
  toData: fields => fields,
  nameOf: () => NO_NAME,
  keepsNames: false,
}

/** Throws a TypeError for what is no codec. */
export function wireCodec<Data>(codec: Codec<Data> | CodecName<Data> = 'json'): WireCodec {
  if (codec === 'flat') return flat
  if (codec === 'json') return inOneField(json)
  if (codec === 'exact-json') return inOneField(exactJson)
  const { encode, decode } = (codec ?? {}) as Partial<Codec<Data>>
  if (typeof encode !== 'function' || typeof decode !== 'function')
    throw new TypeError("codec must be 'json', 'exact-json', 'flat', or an object with encode and decode")
  return inOneField(codec as Codec<unknown>)
}

function inOneField(codec: Codec<unknown>): WireCodec {
  return {
    toFields(data, name) {
      const text = codec.encode(data)
      if (typeof text !== 'string') throw new TypeError(`the codec made ${typeof text} of it, not text`)
      return name === undefined ? { [DATA]: text } : { [NAME]: name, [DATA]: text }
    },
    toData(fields) {
      const text = fields[DATA]
      // Of another producer, which adds fields as Redis has them.
      return text === undefined || !isOurs(fields) ? fields : decoded(codec, text)
    },
    nameOf: fields => (fields[DATA] !== undefined && isOurs(fields) ? (fields[NAME] ?? NO_NAME) : NO_NAME),
    keepsNames: true,
  }
}

function decoded(codec: Codec<unknown>, text: string): unknown {
  const data = codec.decode(text)
  if (!(data instanceof Promise)) return data
  // One that rejects unheard would end the process.
  data.catch(() => undefined)
  throw new TypeError('the codec made a promise of it: decode must not be async')
}

/** Nothing but data, and a name perhaps. */
function isOurs(fields: Readonly<Fields>): boolean {
  for (const name in fields) if (name !== DATA && name !== NAME) return false
  return true
}

/** Throws a StreamError `STREAM_BAD_FIELDS` that names the entry. */
export function encoded(codec: WireCodec, data: unknown, name: string | undefined, where = 'the entry'): Fields {
  try {
    return codec.toFields(data, name)
  } catch (cause) {
    throw new StreamError('STREAM_BAD_FIELDS', `${where} cannot be encoded: ${errorLine(cause)}`, { cause })
  }
}
