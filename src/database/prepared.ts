import { CompiledQuery, type Kysely } from 'kysely'

const MARK = '/* prepared */'

/**
 * A statement whose text never changes: each connection parses and plans it once, where planning would cost as much as
 * doing, and no text is built anew. Only for statements whose plan is the same for one row and for hundreds.
 */
export class PreparedStatement<Row> {
  readonly #text: string

  /** `text` has its parameters as `$1`, `$2`, …; what is put into it must not depend on a call. */
  constructor(text: string) {
    this.#text = MARK + text
  }

  async run(kysely: Kysely<unknown>, parameters: readonly unknown[]): Promise<Row[]> {
    const { rows } = await kysely.executeQuery<Row>(CompiledQuery.raw(this.#text, [...parameters]))
    return rows
  }
}

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
