import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Command, type Redis } from 'ioredis'
import { decodeReadsFast } from '#stream/fast-reads.ts'

type Protocol = 2 | 3
/** What a server answers to one command, and what the command was. */
interface Exchange {
  command: 'xreadgroup' | 'xreadgroupBuffer' | 'get'
  bytes: Buffer
}

const require = createRequire(import.meta.url)
const { default: DataHandler } = require('../../../node_modules/ioredis/built/DataHandler.js') as {
  default: new (redis: unknown, options: { replyMapping: 'legacy' }) => unknown
}

/** As much of ioredis' client as its decoder asks for. */
class Client extends EventEmitter {
  readonly stream = Object.assign(new EventEmitter(), { resume: () => undefined })
  readonly queue: { command: Command }[] = []
  readonly commandQueue = { peekFront: () => this.queue[0], shift: () => this.queue.shift() }
  readonly condition: { protocol: Protocol; subscriber: false }
  readonly status = 'ready'
  readonly options = {}

  constructor(protocol: Protocol) {
    super()
    this.condition = { protocol, subscriber: false }
    new DataHandler(this, { replyMapping: 'legacy' })
  }

  handleReconnection(error: Error, { command }: { command: Command }): void {
    command.reject(error)
  }

  send(name: Exchange['command']): Promise<unknown> {
    const replyEncoding = name === 'xreadgroupBuffer' ? null : 'utf8'
    const command = new Command(name.replace('Buffer', ''), [], { replyEncoding })
    const { protocol } = this.condition
    ;(command as unknown as { setReplyContext(context: unknown): void }).setReplyContext({
      protocol,
      replyMapping: 'legacy',
    })
    this.queue.push({ command })
    return command.promise
  }
}

const text = (value: string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
const list = (kind: string, values: readonly Buffer[]) =>
  Buffer.concat([Buffer.from(`${kind}${kind === '%' ? values.length / 2 : values.length}\r\n`), ...values])

const words = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constant('한글\r\n*1'),
)
const fields = fc.array(fc.tuple(fc.oneof(fc.constantFrom('key', 'data'), words), words), {
  minLength: 1,
  maxLength: 4,
})
const entries = fc.array(fc.tuple(fc.constantFrom('1-0', '1732611111111-12'), fc.option(fields)), { maxLength: 6 })

function nothing(protocol: Protocol): Buffer {
  return Buffer.from(protocol === 3 ? '_\r\n' : '*-1\r\n')
}

function readOf(protocol: Protocol, streams: readonly [string, [string, [string, string][] | null][]][]): Buffer {
  const pairs = streams.map(([name, rows]) => {
    const found = rows.map(([id, row]) =>
      list('*', [text(id), row === null ? nothing(protocol) : list('*', row.flat().map(text))]),
    )
    return [text(name), list('*', found)]
  })
  return protocol === 3
    ? list('%', pairs.flat())
    : list(
        '*',
        pairs.map(pair => list('*', pair)),
      )
}

function exchanges(protocol: Protocol): fc.Arbitrary<Exchange[]> {
  const command = fc.constantFrom<Exchange['command'][]>('xreadgroup', 'xreadgroup', 'xreadgroupBuffer')
  const stream = fc.tuple(words, entries)
  const read = fc.array(stream, { minLength: 1, maxLength: 2 }).map(streams => readOf(protocol, streams))
  const refusal = fc.constant(Buffer.from('-NOGROUP No such key\r\n'))
  const other = fc.constantFrom('+OK\r\n', ':-12\r\n', '$-1\r\n', '*0\r\n', '*3\r\n:1\r\n*1\r\n$2\r\n*2\r\n+x\r\n')
  const others = fc.oneof(
    other.map(line => Buffer.from(line)),
    words.map(text),
    refusal,
    fc.constant(nothing(protocol)),
  )
  const resp3 = fc.constantFrom(
    '#t\r\n',
    ',1.5\r\n',
    '(12345678901234567890\r\n',
    '=5\r\ntxt:a\r\n',
    '~1\r\n:1\r\n',
    '%1\r\n+a\r\n:1\r\n',
  )
  const known =
    protocol === 3
      ? fc.oneof(
          others,
          resp3.map(line => Buffer.from(line)),
        )
      : others
  return fc.array(
    fc.oneof(
      fc.record({ command, bytes: fc.oneof({ weight: 5, arbitrary: read }, { weight: 1, arbitrary: known }) }),
      fc.record({ command: fc.constant('get' as const), bytes: known }),
    ),
    { minLength: 1, maxLength: 6 },
  )
}

/** What each command was answered, where the bytes came in those pieces. */
async function answers(client: Client, told: readonly Exchange[], cuts: readonly number[]): Promise<unknown[]> {
  const settled = Promise.allSettled(told.map(({ command }) => client.send(command)))
  const all = Buffer.concat(told.map(({ bytes }) => bytes))
  let from = 0
  for (const cut of [...cuts.map(cut => cut % (all.length + 1)).sort((left, right) => left - right), all.length]) {
    // A piece of its own, as a socket hands it over.
    client.stream.emit('data', Buffer.from(all.subarray(from, cut)))
    from = cut
  }
  expect(client.queue).toEqual([])
  return (await settled).map(one => (one.status === 'fulfilled' ? one.value : String(one.reason)))
}

function fast(protocol: Protocol): Client {
  const client = new Client(protocol)
  decodeReadsFast(client as unknown as Redis)
  client.emit('connect')
  return client
}

const both = fc.constantFrom<Protocol[]>(2, 3)
const talk = both.chain(protocol => fc.tuple(fc.constant(protocol), exchanges(protocol)))

test('whatever comes, in whatever pieces, each command is answered as ioredis alone answers it', async () => {
  await fc.assert(
    fc.asyncProperty(talk, fc.array(fc.nat(), { maxLength: 5 }), async ([protocol, told], cuts) => {
      expect(await answers(fast(protocol), told, cuts)).toEqual(await answers(new Client(protocol), told, cuts))
    }),
    { numRuns: 500 },
  )
})

test('and where the bytes come one by one', async () => {
  await fc.assert(
    fc.asyncProperty(talk, async ([protocol, told]) => {
      const every = Array.from({ length: Buffer.concat(told.map(({ bytes }) => bytes)).length }, (_, index) => index)
      expect(await answers(fast(protocol), told, every)).toEqual(await answers(new Client(protocol), told, []))
    }),
  )
})

test('of long replies every piece is kept', async () => {
  const rows = Array.from({ length: 40 }, (_, index) => `${index} ${'x'.repeat(7000 + index)}`)
  const bytes = readOf(3, [['s', rows.map((row, index) => [`1-${index}`, [['data', row]]])]])
  const told: Exchange[] = [
    { command: 'xreadgroup', bytes },
    { command: 'get', bytes: text('y'.repeat(100_000)) },
  ]
  const cuts = Array.from({ length: 20 }, (_, index) => index * 20_011)
  expect(await answers(fast(3), told, cuts)).toEqual(await answers(new Client(3), told, []))
})

test.each<Protocol>([2, 3])('ioredis decodes no read of one stream (RESP%d)', async protocol => {
  const client = new Client(protocol)
  const theirs: Buffer[] = []
  client.stream.removeAllListeners('data').on('data', bytes => theirs.push(bytes))
  decodeReadsFast(client as unknown as Redis)
  client.emit('connect')
  const told: Exchange = { command: 'xreadgroup', bytes: readOf(protocol, [['s', [['1-0', [['a', 'b']]]]]]) }
  expect(await answers(client, [told], [])).toEqual([[['s', [['1-0', ['a', 'b']]]]]])
  expect(theirs).toEqual([])
})

test('bytes that begin no reply are ioredis’ from there on', async () => {
  const client = new Client(3)
  const theirs: Buffer[] = []
  client.stream.removeAllListeners('data').on('data', bytes => theirs.push(bytes))
  decodeReadsFast(client as unknown as Redis)
  client.emit('connect')
  client.stream.emit('data', Buffer.from('?what'))
  client.stream.emit('data', Buffer.from(' is it'))
  expect(Buffer.concat(theirs).toString()).toBe('?what is it')
  expect(client.stream.listenerCount('data')).toBe(1)
  client.stream.emit('data', Buffer.from('+OK'))
  expect(theirs).toHaveLength(3)
})
