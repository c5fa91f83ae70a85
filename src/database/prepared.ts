import { sql } from 'kysely'

const MARK = '/* prepared */'

/**
 * Put first into a statement whose text never changes: each connection parses and plans it once, where planning would cost
 * as much as doing. Only for statements whose plan is the same for one row and for hundreds.
 */
export const PREPARED = sql.raw(MARK)

const names = new Map<string, string>()

/** The name that a connection keeps a marked statement under; undefined for every other statement. */
export function preparedNameOf(text: unknown): string | undefined {
  if (typeof text !== 'string' || !text.startsWith(MARK)) return undefined
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `promostream_${names.size + 1}`
  names.set(text, name)
  return name
}
