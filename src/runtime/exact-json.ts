/**
 * Parses JSON without ever rounding an integer: every number becomes a {@link JSON.rawJSON} object that keeps its
 * source text, so that ids up to 2^63-1 survive and `JSON.stringify` writes them back as they came.
 * @throws SyntaxError for bad JSON, RangeError for nesting deeper than the stack.
 */
export function parseExact(json: string): unknown {
  return JSON.parse(json, keepNumberSource as (key: string, value: unknown) => unknown)
}

function keepNumberSource(_key: string, value: unknown, context: { source: string }): unknown {
  return typeof value === 'number' ? rawJson(context.source) : value
}

const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): RawNumber }

interface RawNumber {
  readonly rawJSON: string
}

/** A JSON number as {@link parseExact} makes it. */
export function rawNumber(source: string): RawNumber {
  return rawJson(source)
}
