/*
 * PostgreSQL's arrays as one text parameter. The driver would look at every element of an array twice for what has to be
 * escaped; digits never have.
 */

/** Of digits alone, or null. */
export function digitsArray(values: readonly (string | number | null)[]): string {
  let literal = '{'
  for (let index = 0; index < values.length; index++) {
    if (index > 0) literal += ','
    literal += values[index] ?? 'NULL'
  }
  return `${literal}}`
}

/** Texts of which any may be null. */
export function textArray(values: readonly (string | null)[]): string {
  let literal = '{'
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string | null
    if (index > 0) literal += ','
    literal += value === null ? 'NULL' : `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`
  }
  return `${literal}}`
}

/**
 * Texts as one, and the character between them that none of them holds: for `string_to_array`, which has nothing to unescape.
 * Of one empty text that makes an array of none.
 */
export function joinedTexts(values: readonly string[]): { joined: string; separator: string } {
  for (let code = 1; ; code = code === LAST_BEFORE_SURROGATES ? FIRST_AFTER_SURROGATES : code + 1) {
    const separator = String.fromCodePoint(code)
    if (!values.some(value => value.includes(separator))) return { joined: values.join(separator), separator }
  }
}

const LAST_BEFORE_SURROGATES = 0xd7ff
const FIRST_AFTER_SURROGATES = 0xe000
