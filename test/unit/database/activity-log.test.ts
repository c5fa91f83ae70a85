import { expect, test } from '@jest/globals'
import { createActivityLog } from '#database/activity-log.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

/** The detail as it is handed to PostgreSQL. */
async function stored(detail: unknown): Promise<string> {
  const { kysely, asked } = scriptedKysely(() => [{ id: '7' }])
  expect(await createActivityLog(kysely).begin({ who: 'otto', what: 'x', target: '/', detail })).toBe('7')
  expect(asked[0]?.parameters.slice(0, 3)).toEqual(['otto', 'x', '/'])
  return asked[0]?.parameters[3] as string
}

test.each([
  ['an object', { a: [1, 'b'] }, '{"a":[1,"b"]}'],
  ['nothing', undefined, 'null'],
  ['text with quotes and lines', 'a"b\\c\n', '"a\\"b\\\\c\\n"'],
  ['a NUL', 'a\0b', '"a\\ufffdb"'],
  ['half a character', 'a\ud800b\udc00', '"a\\ufffdb\\ufffd"'],
  ['text that looks like one', '\\u0000 \\ud800', '"\\\\u0000 \\\\ud800"'],
  ['other control characters', '\u0001', '"\\u0001"'],
])('%s is written down as PostgreSQL takes it', async (_name, detail, json) => {
  expect(await stored(detail)).toBe(json)
})

test('ten thousand characters are kept as they are, of more the beginning, as text', async () => {
  const most = 'x'.repeat(9998)
  expect(await stored(most)).toBe(JSON.stringify(most))
  const text = JSON.parse(await stored(`${most}y`)) as string
  expect([text.length, text.slice(0, 3), text.slice(-2)]).toEqual([10_001, '"xx', 'y…'])
})

test('what is cut within a character is well-formed', async () => {
  const text = JSON.parse(await stored(`${'x'.repeat(9998)}${'😀'.repeat(10)}`)) as string
  expect(text.isWellFormed()).toBe(true)
})

test.each([
  ['too deep for PostgreSQL', 600],
  ['too deep to be written at all', 200_000],
])('what is nested %s is text', async (_name, depth) => {
  let detail: unknown = 1
  for (let level = 0; level < depth; level++) detail = level % 2 === 0 ? [detail] : { a: detail }
  expect(typeof JSON.parse(await stored(detail))).toBe('string')
})

test('what is nested less is kept', async () => {
  let detail: unknown = 1
  for (let level = 0; level < 100; level++) detail = [detail]
  expect(JSON.parse(await stored(detail))).toEqual(detail)
})
