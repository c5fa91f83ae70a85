import { describe, expect, test } from '@jest/globals'
import { type Codec, encoded, NO_NAME, wireCodec } from '#stream/codec.ts'

const json = wireCodec()
const exact = wireCodec<unknown>('exact-json')
const flat = wireCodec<Record<string, string>>('flat')

describe('in one field', () => {
  test('data lies as text, with its name before it where it has one', () => {
    expect(json.toFields({ to: 'ada' }, undefined)).toStrictEqual({ data: '{"to":"ada"}' })
    expect(json.toFields({ to: 'ada' }, 'mail')).toEqual({ name: 'mail', data: '{"to":"ada"}' })
  })

  test.each([
    [{ data: '[1]' }, [1], NO_NAME],
    [{ name: 'mail', data: '[1]' }, [1], 'mail'],
  ])('%p is an entry of ours', (fields, data, name) => {
    expect([json.toData(fields), json.nameOf(fields)]).toEqual([data, name])
  })

  test.each<Record<string, string>>([
    { name: 'mail' },
    { kind: 'mail', to: 'ada' },
    { data: '[1]', at: '7' },
    { name: 'mail', data: '[1]', at: '7' },
  ])('%p is another producer’s: its fields are the data, and it has no name', fields => {
    expect([json.toData(fields), json.nameOf(fields)]).toEqual([fields, NO_NAME])
  })

  test('what has no text is refused', () => {
    expect(() => json.toFields(undefined, undefined)).toThrow('the codec made undefined of it, not text')
    expect(() => json.toFields(1n, undefined)).toThrow(TypeError)
  })

  test('text that cannot be read throws', () => {
    expect(() => json.toData({ data: '{' })).toThrow(SyntaxError)
  })
})

describe('exact-json', () => {
  test.each([
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', 2n ** 53n],
    ['-9007199254740992', -(2n ** 53n)],
    ['1e30', 1e30],
    ['1.5', 1.5],
    ['"9007199254740992"', '9007199254740992'],
    ['{"id":18446744073709551615}', { id: 2n ** 64n - 1n }],
  ])('%s is read as what it says', (data, value) => {
    expect(exact.toData({ data })).toEqual(value)
  })

  test('a bigint is written as the integer it is, and all else as JSON has it', () => {
    const data = { id: 2n ** 64n - 1n, list: [1n, 'x'], at: new Date(0) }
    expect(exact.toFields(data, undefined)).toEqual({
      data: '{"id":18446744073709551615,"list":[1,"x"],"at":"1970-01-01T00:00:00.000Z"}',
    })
  })

  test('also where the program gave BigInt a toJSON of its own', () => {
    Object.assign(BigInt.prototype, { toJSON: () => 'text' })
    try {
      expect(exact.toFields([7n], undefined)).toEqual({ data: '[7]' })
    } finally {
      Reflect.deleteProperty(BigInt.prototype, 'toJSON')
    }
  })
})

describe('flat', () => {
  test('each property is a field, and no entry has a name', () => {
    const fields = { name: 'mail', data: '[1]' }
    expect([flat.toFields(fields, undefined), flat.toData(fields), flat.nameOf(fields)]).toEqual([
      fields,
      fields,
      NO_NAME,
    ])
    expect(() => flat.toFields(fields, 'mail')).toThrow('keeps no name')
  })

  test('only the others keep names', () => {
    expect([flat, json, exact].map(({ keepsNames }) => keepsNames)).toEqual([false, true, true])
  })
})

describe('a codec of one’s own', () => {
  test('stands in for JSON', () => {
    const codec = wireCodec<string>({ encode: text => text.toUpperCase(), decode: text => text.toLowerCase() })
    expect([codec.toFields('ada', undefined), codec.toData({ data: 'ADA' })]).toEqual([{ data: 'ADA' }, 'ada'])
  })

  test.each<unknown>([null, 'yaml', {}, { encode: () => '' }, { decode: () => 1 }])('%p is none', codec => {
    expect(() => wireCodec(codec as Codec<unknown>)).toThrow(/^codec must be 'json'/)
  })

  test.each<[(text: string) => Promise<unknown>]>([
    [text => Promise.resolve(text)],
    [() => Promise.reject(new Error('unheard'))],
  ])('that reads asynchronously is refused, and ends no process', async decode => {
    const unheard: unknown[] = []
    const hear = (reason: unknown) => void unheard.push(reason)
    process.on('unhandledRejection', hear)
    expect(() => wireCodec({ encode: String, decode }).toData({ data: 'x' })).toThrow('decode must not be async')
    await new Promise(resolve => setImmediate(resolve))
    process.off('unhandledRejection', hear)
    expect(unheard).toEqual([])
  })
})

test('what cannot be encoded is told with where it stood', () => {
  const refusal = { code: 'STREAM_BAD_FIELDS', cause: expect.any(TypeError) }
  expect(() => encoded(json, undefined, undefined)).toThrow(expect.objectContaining(refusal))
  expect(() => encoded(json, undefined, undefined)).toThrow(/^the entry cannot be encoded: /)
  expect(() => encoded(json, undefined, undefined, 'entry 3')).toThrow(/^entry 3 cannot be encoded: /)
  expect(encoded(json, 7, 'n')).toEqual({ name: 'n', data: '7' })
})
