import fc from 'fast-check'
import { isThorough } from './slow-test.ts'

const numRuns = Number(process.env.FUZZ_RUNS ?? 1000)

/** How often each property is tried: 1,000 times, or as `FUZZ_RUNS` says; 50 ms a try is more than any needs. */
export const fuzz = { numRuns }
/** Where each try goes through a process, or a file. */
export const fuzzBriefly = { numRuns: isThorough ? numRuns : Math.ceil(numRuns / 10) }
export const FUZZ_LIMIT_MS = 30_000 + 50 * numRuns

const hostileNames = ['__proto__', 'toString', 'valueOf', 'toJSON', 'rawJSON', 'constructor', '']
/** An object whose conversion to text or number throws, and others that a careless reader trips over. */
const hostile = fc.constantFrom<unknown>(
  { toString: 1, valueOf: 1 },
  { rawJSON: { toString: 1, valueOf: 1 } },
  { rawJSON: [] },
  { rawJSON: '1e999' },
  [[1]],
  '\ud800',
  '\0',
  1e308,
  -0,
  2 ** 63,
)
const name = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(...hostileNames))
const json: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  hostile,
  fc.dictionary(name, fc.jsonValue({ maxDepth: 1 })),
)

/** A value for a field that should be an integer: good ones, nearly good ones, and anything else. */
const integerLike: fc.Arbitrary<unknown> = fc.oneof(
  { arbitrary: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String), weight: 3 },
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.integer(),
  fc.double(),
  fc.string({ unit: 'binary' }),
  json,
)

/** JSON texts of objects with some of these fields, each right, nearly right or anything; sometimes cut or spoilt. */
export function recordLike(fields: readonly string[], others: Record<string, fc.Arbitrary<unknown>> = {}) {
  const shape = { ...Object.fromEntries(fields.map(field => [field, integerLike])), ...others }
  const object = fc.tuple(fc.record(shape, { requiredKeys: [] }), fc.dictionary(name, json, { maxKeys: 2 }))
  const whole = object.map(([known, more]) => JSON.stringify({ ...more, ...known }))
  const cut = fc.tuple(whole, fc.nat({ max: 200 })).map(([text, length]) => text.slice(0, length))
  const deep = fc.integer({ min: 1, max: 20_000 }).map(depth => `{"a":${'['.repeat(depth)}${']'.repeat(depth)},"b":1}`)
  return fc.oneof(
    { arbitrary: whole, weight: 20 },
    cut,
    json.map(value => JSON.stringify(value) ?? ''),
    {
      arbitrary: deep,
      weight: 1,
    },
  )
}
