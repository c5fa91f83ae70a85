import { describe, expect, test } from '@jest/globals'
import { auditRowPages, findAuditRows, findWrongSummaries, skippedOffsetPages } from '#database/gifts/audit-rows.ts'
import { type AskedStatement, scriptedKysely } from '#test/support/scripted-kysely.ts'

const isOfArchive = ({ sql }: AskedStatement) => sql.includes('as place, ')

/** Answers in this order; `asked` = what the statements were given. */
function answering(...answers: object[][]) {
  const { kysely, asked } = scriptedKysely(() => answers.shift() ?? [])
  return { kysely, asked }
}

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<(readonly T[])[]> {
  const read = []
  for await (const page of pages) read.push(page)
  return read
}

describe('the pages of rows', () => {
  const read = async (promotionId: string | undefined, rows: object[][], archived: object[][]) => {
    const { kysely, asked } = scriptedKysely(statement => (isOfArchive(statement) ? archived : rows).shift() ?? [])
    const pages = await all(auditRowPages(kysely, 'VOUCHER', { promotionId, ageMs: 1, size: 2 }))
    return { pages, asked }
  }
  const [ONE, TWO, THREE] = [{ id: '7' }, { id: '9' }, { id: '12' }]
  const [OLD, OLDER, OLDEST] = [{ place: '3' }, { place: '5' }, { place: '8' }]

  test('are followed by those of archived gifts, each behind the last of the one before', async () => {
    const { pages, asked } = await read('42', [[ONE, TWO], [THREE]], [[OLD, OLDER], [OLDEST]])
    expect(pages).toEqual([[ONE, TWO], [THREE], [OLD, OLDER], [OLDEST]])
    expect(asked.map(({ parameters }) => parameters.find(value => value !== 1))).toEqual(['0', '9', '0', '5'])
  })

  test('have none that is empty', async () => {
    expect((await read('42', [[ONE, TWO], []], [[OLD, OLDER], []])).pages).toEqual([
      [ONE, TWO],
      [OLD, OLDER],
    ])
    expect((await read('42', [], [])).pages).toEqual([])
  })

  test.each([
    ['42', 'gift_id', ['0', '42', '42', 2]],
    [undefined, 'target_id', ['0', 2]],
  ])('of archived gifts of promotion %s go by their %s', async (promotionId, place, parameters) => {
    const { asked } = await read(promotionId, [], [])
    const archive = asked.filter(isOfArchive)
    expect(archive).toEqual([expect.objectContaining({ parameters })])
    expect(archive[0]?.sql).toContain(`t.${place} as place, `)
  })
})

test('of targets whose rows are all there none is looked for in the archive', async () => {
  const both = answering([{ targetId: '1' }, { targetId: '2' }])
  expect(await findAuditRows(both.kysely, 'VOUCHER', ['1', '2'], 0)).toHaveLength(2)
  expect(both.asked).toHaveLength(1)
  const one = answering([{ targetId: '1' }], [{ targetId: '2' }])
  expect(await findAuditRows(one.kysely, 'VOUCHER', ['1', '2'], 0)).toEqual([{ targetId: '1' }, { targetId: '2' }])
})

test('skipped messages come page by page, none of them empty', async () => {
  const place = (offset: string) => ({ topic: 't', partition: 3, offset, content: 'c' })
  const { kysely, asked } = answering([place('1'), place('2')], [place('3'), place('4')])
  expect(await all(skippedOffsetPages(kysely, 2))).toEqual([
    [place('1'), place('2')],
    [place('3'), place('4')],
  ])
  expect(asked.map(({ parameters }) => parameters.slice(0, 3))).toEqual([
    ['', -1, '-1'],
    ['t', 3, '2'],
    ['t', 3, '4'],
  ])
  const few = answering([place('1')], [place('2')])
  expect(await all(skippedOffsetPages(few.kysely, 2))).toEqual([[place('1')]])
})

describe('summaries that are wrong', () => {
  const wrong = (summaryId: string) => ({ summaryId, count: 5 })

  test('of all promotions are found in one look', async () => {
    const { kysely, asked } = answering([wrong('1')])
    expect(await findWrongSummaries(kysely, [], 10)).toEqual({ count: 5, summaries: [{ summaryId: '1' }] })
    expect(asked).toHaveLength(1)
    expect(await findWrongSummaries(kysely, [], 10)).toEqual({ count: 0, summaries: [] })
  })

  test('by the rows of the promotions that are named are counted over all rows', async () => {
    const { kysely, asked } = answering([wrong('1'), wrong('2')], [wrong('2')])
    expect(await findWrongSummaries(kysely, ['42'], 10)).toEqual({ count: 5, summaries: [{ summaryId: '2' }] })
    expect(asked.map(({ parameters }) => parameters[0])).toEqual([['42'], ['1', '2']])
  })

  test('by no row of those that are named are looked for no further', async () => {
    const { kysely, asked } = answering([], [wrong('2')])
    expect(await findWrongSummaries(kysely, ['42'], 10)).toEqual({ count: 0, summaries: [] })
    expect(asked).toHaveLength(1)
  })
})
