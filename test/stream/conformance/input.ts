import { describe, expect, test } from '@jest/globals'
import { deadLetter, parseDeadLetter, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { connection, GROUP, name, redis, work } from '../../support/stream-harness.ts'

describe('dead letters', () => {
  test('keep the entry’s own fields, whatever their names, beside those of the framework', async () => {
    const own = { _id: 'mine', _reason: 'my own', __reason: 'mine too', _stream: '', n: '7', key: 'k' }
    work(() => deadLetter('cannot be done'))
    const queue = new StreamQueue(name, { codec: 'flat', connection, group: GROUP })
    const { id } = await queue.add(own)
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    const letters = new StreamQueue(`${name}:dead-letter`, { connection, group: GROUP })
    const found: Record<string, string>[] = []
    for await (const fields of letters.entries()) found.push(fields)
    expect(found).toEqual([expect.objectContaining(own)])
    expect(parseDeadLetter(found[0] ?? {})).toEqual({
      fields: own,
      id,
      stream: name,
      reason: 'cannot be done',
      deliveries: 1,
    })
  })
})

describe('what goes in comes out', () => {
  const queue = () => new StreamQueue<Record<string, string>>(name, { codec: 'flat', connection, group: GROUP })

  test('texts of every kind, as names and as values', async () => {
    const values = [
      '',
      ' ',
      '\0',
      'a\0b',
      'line\r\nline',
      '이름 🎁',
      '\uffff',
      '{"json":1}',
      '$5\r\nhello\r\n',
      '*',
      '~',
    ]
    const entries = [
      ...values.map(value => ({ value })),
      ...values.map(value => ({ [value]: 'name' })),
      Object.fromEntries(['constructor', 'toString', '__proto__', '2', '1', 'a'].map(each => [each, 'x'])),
    ] as Record<string, string>[]
    const seen: Record<string, string>[] = []
    await queue().addBulk(entries.slice(0, 5))
    for (const fields of entries.slice(5)) await queue().add(fields)
    work(({ fields }) => void seen.push({ ...fields } as Record<string, string>), { concurrency: 1 })
    await until('all seen', () => seen.length === entries.length)
    expect(seen.map(fields => Object.entries(fields).sort())).toEqual(
      entries.map(fields => Object.entries(fields).sort()),
    )
  })

  test.each([
    ['an object', { a: {} }],
    ['undefined', { a: undefined }],
    ['null', { a: null }],
    ['an array', { a: ['x'] }],
    ['a number', { a: 1 }],
    ['NaN', { a: Number.NaN }],
    ['a bigint', { a: 1n }],
    ['a symbol', { a: Symbol('x') }],
    ['a boolean', { a: true }],
    ['a function', { a: () => 'x' }],
    ['a buffer', { a: Buffer.from('x') }],
    ['a boxed string', { a: new String('x') }],
    ['a date', { a: new Date() }],
    ['half a surrogate pair', { a: 'x\ud83d' }],
    ['half a surrogate pair in a name', { 'a\udc00': 'x' }],
  ])('a value that is %s is refused before anything is sent, and named', async (_kind, bad) => {
    const fields = { good: 'x', ...bad } as unknown as Record<string, string>
    for (const adding of [queue().add(fields), queue().addBulk([{ n: '1' }, fields])]) {
      const error: unknown = await adding.catch(thrown => thrown)
      expect(error).toMatchObject({ name: 'StreamError', code: 'STREAM_BAD_FIELDS', canRetry: false })
      expect((error as Error).message).toMatch(/"a/)
    }
    expect(await redis.probe.exists(name)).toBe(0)
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'a'],
    ['a list', [['a', 'b']]],
    ['no field', {}],
    ['a map', new Map([['a', 'b']])],
  ])('fields that are %s are refused before anything is sent', async (_kind, bad) => {
    const fields = bad as unknown as Record<string, string>
    await expect(queue().add(fields)).rejects.toMatchObject({ code: 'STREAM_BAD_FIELDS' })
    await expect(queue().addBulk([{ n: '1' }, fields])).rejects.toThrow(/^entry 1 /)
    await expect(queue().addBulk(fields as never)).rejects.toThrow()
    expect(await redis.probe.exists(name)).toBe(0)
  })
})
