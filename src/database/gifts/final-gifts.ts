import { type Kysely, sql } from 'kysely'
import type { PromotionType } from '#queues/gift-types.ts'
import { RESULT_TABLES } from './result-table.ts'

/** Those of the targets whose gift is SUCCESS or FAILED, which no gift ever leaves. */
export async function finalTargets(
  kysely: Kysely<unknown>,
  type: PromotionType,
  targetIds: readonly string[],
): Promise<Set<string>> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ targetId: string }>`
    select ${sql.ref(targetColumn)} as "targetId" from ${sql.table(name)}
    where ${sql.ref(targetColumn)} = any (${[...targetIds]}::bigint[])
      and process_status in ('SUCCESS', 'FAILED')`.execute(kysely)
  return new Set(rows.map(({ targetId }) => targetId))
}
