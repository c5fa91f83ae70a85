import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { complete, countFinal, listUnannounced } from '#database/promotions/completion.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

interface Column {
  table: string
  name: string
  type: string
}

const TYPES: Record<string, string> = { 'timestamp with time zone': 'timestamptz' }

const contract = new DocPage('docs/contract.md')
const documented = contract.table('| table | columns that others read |').map(([table, columns]) => ({
  table: codeIn(table!)[0]!,
  columns: columns!.split(';').map(column => {
    const [, name, type, rest = ''] = /^`(\w+)` (\w+)(?:, (.*))?$/.exec(column.trim())!
    return { name: name!, type: type!, isUnique: /unique|primary key/.test(rest) }
  }),
}))

describe('docs/contract.md: PostgreSQL', () => {
  let db: TestDatabase
  let kysely: Kysely<unknown>
  let columns: Column[]
  let unique: string[]

  beforeAll(async () => {
    db = await createTestDatabase()
    kysely = db.database.kysely
    ;({ rows: columns } = await sql<Column>`
      select table_name as table, column_name as name, data_type as type from information_schema.columns
      where table_schema = 'public'`.execute(kysely))
    const { rows } = await sql<{ column: string }>`
      select c.relname || '.' || a.attname as column from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indisunique and i.indnkeyatts = 1`.execute(kysely)
    unique = rows.map(({ column }) => column)
  }, 60_000)
  afterAll(() => db.drop())

  test.each(documented)('$table has these columns', ({ table, columns: named }) => {
    const existing = columns.filter(column => column.table === table)
    for (const { name, type, isUnique } of named) {
      const column = existing.find(each => each.name === name)
      expect([name, TYPES[column?.type ?? ''] ?? column?.type]).toEqual([name, type])
      if (isUnique) expect(unique).toContain(`${table}.${name}`)
    }
  })

  test('the result tables are described whole', () => {
    const results = documented.filter(({ table }) => table.endsWith('_result'))
    expect(results).toHaveLength(2)
    for (const { table, columns: named } of results) {
      const names = columns.filter(column => column.table === table).map(({ name }) => name)
      expect(named.map(({ name }) => name).sort()).toEqual(names.sort())
    }
  })

  test('other programs may insert with these columns alone', async () => {
    await sql`insert into campaign_promotion (id, name, type, status, total_count)
      values (1, 'n', 'VOUCHER', 'READY', 5)`.execute(kysely)
    await sql`insert into campaign_promotion_summary (id, promotion_id) values (1, 1)`.execute(kysely)
  })

  test('the completed event has these fields', async () => {
    const promotions = createPromotionRepository(kysely)
    await promotions.create({ id: '9', name: '', type: 'VOUCHER', totalCount: 1 })
    await promotions.move('9', ['READY'], 'IN_PROGRESS')
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message, process_status) values (9, 1, 1, 'k', 1, 1, '{}', 'SUCCESS')`.execute(
      kysely,
    )
    const promotion = await promotions.find('9')
    expect(await complete(kysely, promotion!, -1)).toBe(true)
    const [ended] = await listUnannounced(kysely, { restMs: -1, limit: 1 })
    const event = { ...ended, ...(await countFinal(kysely, ended!)) }
    const example = JSON.parse(contract.example('completed')) as object
    expect(Object.keys(event)).toEqual(Object.keys(example))
  })
})
