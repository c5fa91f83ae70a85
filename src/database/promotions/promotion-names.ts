import { type Kysely, sql } from 'kysely'

/** What promotions are called, by id; those without a name, or that do not exist, are missing. */
export async function promotionNames(kysely: Kysely<unknown>, ids: readonly string[]): Promise<Map<string, string>> {
  const known = [...new Set(ids)]
  if (known.length === 0) return new Map()
  const { rows } = await sql<{ id: string; name: string }>`
    select id, name from campaign_promotion where id = any (${known}::bigint[]) and name <> ''`.execute(kysely)
  return new Map(rows.map(({ id, name }) => [id, name]))
}
