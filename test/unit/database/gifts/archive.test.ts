import { beforeEach, expect, jest, test } from '@jest/globals'
import { type AskedStatement, scriptedKysely, sqlError } from '#test/support/scripted-kysely.ts'

const pauses: number[] = []
jest.unstable_mockModule('node:timers/promises', () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }))
const { giftRecordPages, moveToArchive } = await import('#database/gifts/archive.ts')
beforeEach(() => void pauses.splice(0))

const PROMOTION = { id: '42', type: 'VOUCHER' } as const

/** What a statement is for. */
function stepOf({ sql, parameters }: AskedStatement): string | undefined {
  if (sql.startsWith('update campaign_promotion_schema')) return 'version'
  if (sql.startsWith('analyze')) return 'analyze'
  if (sql.startsWith('lock table')) return 'lock'
  if (sql.includes('insert into campaign_promotion_archived_gift')) return `note after ${lastDigits(parameters)}`
  if (sql.includes('delete from')) return `delete after ${lastDigits(parameters)}`
  return undefined
}

/** The id that a page begins behind, which stands before its size. */
const lastDigits = (parameters: readonly unknown[]) => parameters.filter(value => /^\d+$/.test(value as string)).at(-2)

/** A database whose pages end at these ids, and whose table cannot be locked for a while. */
function database({ pages, refusals = 0, code = '55P03' }: { pages: string[]; refusals?: number; code?: string }) {
  let left = refusals
  const pageBehind = (afterId: string) => pages[afterId === '0' ? 0 : pages.indexOf(afterId) + 1] ?? null
  const { kysely, asked } = scriptedKysely(statement => {
    const step = stepOf(statement) ?? ''
    if (asked.length > 300) throw new Error('it goes round for ever')
    if (step === 'lock' && left-- > 0) throw sqlError(code)
    const [what, , afterId = ''] = step.split(' ')
    if (what === 'note') return [{ lastId: pageBehind(afterId) }]
    if (what === 'delete') return [{ lastId: pageBehind(afterId), count: pageBehind(afterId) === null ? 0 : 3 }]
    return []
  })
  const steps = () => asked.map(stepOf).filter(step => step !== undefined)
  return { kysely, steps }
}

test('targets are noted page by page, inserts are waited for, and only then rows go', async () => {
  const { kysely, steps } = database({ pages: ['10', '20', '30'] })
  const moved: number[] = []
  await moveToArchive(kysely, PROMOTION, count => moved.push(count))
  expect(steps()).toEqual([
    'version',
    ...['note after 0', 'analyze', 'note after 10', 'note after 20', 'note after 30', 'analyze'],
    'lock',
    ...['delete after 0', 'delete after 10', 'delete after 20', 'delete after 30'],
  ])
  expect(moved).toEqual([3, 3, 3, 0])
})

test('of a promotion without rows nothing goes', async () => {
  const { kysely, steps } = database({ pages: [] })
  await moveToArchive(kysely, PROMOTION)
  expect(steps()).toEqual(['version', 'note after 0', 'analyze', 'lock', 'delete after 0'])
})

test('a table that others write to is asked for again and again, a pause between', async () => {
  const { kysely, steps } = database({ pages: ['10'], refusals: 59 })
  await moveToArchive(kysely, PROMOTION)
  expect(steps().filter(step => step === 'lock')).toHaveLength(60)
  expect(pauses).toEqual(Array(59).fill(500))
})

test('one that stays locked is named, and no row has gone', async () => {
  const { kysely, steps } = database({ pages: ['10'], refusals: 60 })
  await expect(moveToArchive(kysely, PROMOTION)).rejects.toMatchObject({
    code: 'ARCHIVE_LOCKED',
    message: 'a transaction that writes gifts stays open: no row was removed',
    cause: { code: '55P03' },
  })
  expect(steps().at(-1)).toBe('lock')
})

test('what is wrong with it otherwise is said at once', async () => {
  const { kysely } = database({ pages: ['10'], refusals: 1, code: '42501' })
  await expect(moveToArchive(kysely, PROMOTION)).rejects.toMatchObject({ code: '42501' })
  expect(pauses).toEqual([])
})

test.each([
  [2000, ['0', '2000']],
  [1999, ['0']],
])('a page of %d rows is followed by another only where it is full', async (count, behind) => {
  const after: unknown[] = []
  const { kysely } = scriptedKysely(({ parameters }) => {
    after.push(lastDigits(parameters))
    return after.length === 1 ? Array.from({ length: count }, (_, index) => ({ id: String(index + 1) })) : []
  })
  const pages: number[] = []
  for await (const page of giftRecordPages(kysely, PROMOTION)) pages.push(page.length)
  expect([pages, after]).toEqual([[count], behind])
})
