import { expect, jest, test } from '@jest/globals'
import { flatFields } from '#stream/entry-fields.ts'

const MOST_FIELDS = (2 ** 20 - 16) / 2

test('names and values follow each other, as they stand', () => {
  expect(flatFields({ b: '1', a: '', 이름: '값' })).toEqual(['b', '1', 'a', '', '이름', '값'])
})

test.each<[unknown, string]>([
  [null, 'entry 3 must be an object of strings'],
  ['text', 'entry 3 must be an object of strings'],
  [['a'], 'entry 3 must be an object of strings'],
  [{}, 'entry 3 has no field'],
  [{ a: 7 }, 'field "a" of entry 3 must be a string, not a number'],
  [{ a: null }, 'field "a" of entry 3 must be a string, not null'],
  [{ a: undefined }, 'field "a" of entry 3 must be a string, not undefined'],
  [{ ok: '1', a: ['x'] }, 'field "a" of entry 3 must be a string, not an array'],
  [{ a: '\ud800' }, 'field "a" of entry 3 must be well-formed Unicode'],
  [{ '\ud800': '' }, 'the name "\\ud800" of a field of entry 3 must be well-formed Unicode'],
  [{ ['n'.repeat(60)]: 7 }, `field "${'n'.repeat(60)}" of`],
  [{ ['n'.repeat(61)]: 7 }, `field "${'n'.repeat(60)}…" of`],
])('what would not come out as it went in is refused: %j', (fields, message) => {
  expect(() => flatFields(fields as Record<string, string>, 'entry 3')).toThrow(message)
  expect(() => flatFields(fields as Record<string, string>, 'entry 3')).toThrow(
    expect.objectContaining({ code: 'STREAM_BAD_FIELDS' }),
  )
})

test('as many fields as a server takes, and no more', () => {
  const fields = Object.fromEntries(Array.from({ length: MOST_FIELDS }, (_, at) => [`${at}`, '']))
  expect(flatFields(fields)).toHaveLength(2 * MOST_FIELDS)
  fields.more = ''
  expect(() => flatFields(fields)).toThrow(`the entry has ${MOST_FIELDS + 1} fields, more than a server takes`)
})

test('a text that is far from too long is taken without counting its bytes', () => {
  const bytes = jest.spyOn(Buffer, 'byteLength').mockReturnValue(2 ** 30)
  try {
    expect(flatFields({ a: '값'.repeat(1000) })).toEqual(['a', '값'.repeat(1000)])
    expect(bytes).not.toHaveBeenCalled()
  } finally {
    bytes.mockRestore()
  }
})
