import { describe, expect, test } from '@jest/globals'
import { decodeRead } from '#stream/read-decoder.ts'

type Part = string | null | Part[]

function text(value: string): string {
  return `$${Buffer.byteLength(value)}\r\n${value}\r\n`
}

/** Lists and texts as RESP2 has them. */
function resp(part: Part): string {
  if (part === null) return '*-1\r\n'
  return typeof part === 'string' ? text(part) : `*${part.length}\r\n${part.map(resp).join('')}`
}

function decode(reply: string): ReturnType<typeof decodeRead> {
  // As it lies among others.
  const bytes = Buffer.from(`+OK\r\n${reply}+é\r\n`)
  return decodeRead(bytes, 5, bytes.length - 5)
}

describe('a read of one stream', () => {
  test.each<[what: string, entries: Part[]]>([
    ['nothing', []],
    ['an entry', [['1-0', ['data', '{"a":1}']]]],
    [
      'one that was deleted',
      [
        ['1-0', null],
        ['2-0', ['a', 'b']],
      ],
    ],
    [
      'names that are the same, and others of the same length and of another',
      [
        ['1-0', ['data', '1', 'kind', 'a']],
        ['2-0', ['data', '2', 'kind', 'b']],
        ['3-0', ['date', '3', 'kinds', 'c']],
        ['4-0', ['data', '4', 'kin', 'd', 'more', 'e']],
        ['5-0', ['kind', '5', 'data', 'f', 'most', 'g']],
      ],
    ],
    [
      'a name with a line’s end in it, and one without',
      [
        ['1-0', ['xa', '1']],
        ['2-0', ['x\n', '2']],
        ['3-0', ['xa', '3']],
      ],
    ],
    [
      'text of every kind',
      [
        ['1-0', ['', '한글', 'é\r\n$1', '\0']],
        ['2-0', ['a', 'x'.repeat(1234)]],
      ],
    ],
  ])('%s', (_, entries) => {
    expect(decode(resp([['s', entries]]))).toEqual([['s', entries]])
    expect(decode(`%1\r\n${text('스')}${resp(entries)}`)).toEqual(['스', entries])
  })
})

test.each<[what: string, reply: string]>([
  ['nothing', '*-1\r\n'],
  ['nothing by RESP3', '_\r\n'],
  ['a refusal', '-NOGROUP No such key\r\n'],
  ['a text', text('s')],
  ['no stream', '*0\r\n'],
  [
    'two streams',
    resp([
      ['s', []],
      ['t', []],
    ]),
  ],
  ['two streams by RESP3', `%2\r\n${text('s')}*0\r\n${text('t')}*0\r\n`],
  ['a list of other lists', resp([['s', [], []]])],
  ['a list of texts', resp(['s'])],
  ['a stream with a text for entries', resp([['s', 'x']])],
  ['a stream with texts for entries', resp([['s', ['x']]])],
  ['entries of three parts', resp([['s', [['1-0', [], []]]]])],
  ['fields that are texts', resp([['s', [['1-0', 'x']]]])],
  ['fields of numbers', '*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n:1\r\n:2\r\n'],
])('%s is no read of one stream', (_, reply) => {
  expect(decode(reply)).toBeUndefined()
})
