import { afterAll, describe, expect, test } from '@jest/globals'
import { clientOf } from '#stream/connection.ts'
import {
  createStreamConnection,
  type StreamConnectionOptions,
  StreamPool,
  type StreamPoolOptions,
  StreamQueue,
  type StreamQueueOptions,
  StreamWorker,
  type StreamWorkerOptions,
} from '#stream/index.ts'

/** Never connects: options are checked before anything does. */
const connection = createStreamConnection({ url: 'redis://127.0.0.1:1' })
afterAll(() => connection.close())

const NO_TEXT = [undefined, null, 7, {}, ['x'], '', '\ud800']
const NO_COUNT = [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null, 2n]
const NO_PAUSE = [...NO_COUNT, 2 ** 31]
const NO_CONNECTION = [undefined, null, 7, {}, clientOf(connection)]
const NO_OBJECT = [null, 'x', 7, []]

const queue = (name: unknown, options: object) =>
  new StreamQueue(name as string, { connection, ...options } as StreamQueueOptions)
const worker = (name: unknown, options: object, handler: unknown = () => undefined) =>
  new StreamWorker(
    name as string,
    handler as () => void,
    {
      connection,
      group: 'g',
      autorun: false,
      ...options,
    } as StreamWorkerOptions,
  )
const pool = (options: object) => new StreamPool({ connection, maxInFlight: 10, ...options } as StreamPoolOptions)
const connect = (options: object) =>
  createStreamConnection({ url: 'redis://127.0.0.1:1', ...options } as StreamConnectionOptions)

/** Each value is refused by a TypeError that begins with the option's name. */
function refuses(option: string, make: (value: unknown) => unknown, values: readonly unknown[]): void {
  for (const value of values) {
    expect(() => make(value)).toThrow(TypeError)
    expect(() => make(value)).toThrow(new RegExp(`^${option.replace('.', '\\.')} must `))
  }
}

describe('a name', () => {
  const bad = [...NO_TEXT, 'x:paused', 'x:limiter', ':paused', 'x:delay:17-0', 'x:replay:17-0']

  test('is a text that is no key of another queue', () => {
    refuses('name', name => queue(name, {}), bad)
    refuses('name', name => worker(name, {}), bad)
    refuses('deadLetterStream', deadLetterStream => worker('x', { deadLetterStream }), [
      ...bad.filter(value => value !== undefined),
      'x',
    ])
  })

  test('may be anything else', () => {
    for (const name of [
      'x',
      'paused',
      'x:paused:y',
      'x:delay',
      'x:delay:17',
      '{a}:b',
      'with space',
      'line\n',
      '\0',
      '이름',
    ]) {
      expect(queue(name, {}).name).toBe(name)
      expect(worker(name, {}).name).toBe(name)
    }
  })
})

test('a queue refuses what cannot be meant, naming the option', () => {
  refuses('connection', each => queue('x', { connection: each }), NO_CONNECTION)
  refuses('group', group => queue('x', { group }), NO_TEXT.slice(1))
  refuses('maxLen', maxLen => queue('x', { maxLen }), NO_COUNT)
  refuses('highWaterMark', highWaterMark => queue('x', { highWaterMark }), NO_OBJECT)
  const mark = (part: object) => queue('x', { highWaterMark: { length: 1, onFull: 'wait', ...part } })
  refuses('highWaterMark.length', length => mark({ length }), [...NO_COUNT, undefined])
  refuses('highWaterMark.onFull', onFull => mark({ onFull }), ['drop', undefined, 1])
  refuses(
    'highWaterMark.timeoutMs',
    timeoutMs => mark({ timeoutMs }),
    NO_PAUSE.filter(value => value !== 0),
  )
  expect(() => new StreamQueue('x', undefined as unknown as StreamQueueOptions)).toThrow(TypeError)
  expect(() => mark({ timeoutMs: 0 })).not.toThrow()
})

test('a worker refuses what cannot be meant, naming the option', () => {
  refuses('handler', handler => worker('x', {}, handler), [null, 7, {}, 'x'])
  refuses('connection', each => worker('x', { connection: each }), NO_CONNECTION)
  refuses('group', group => worker('x', { group }), NO_TEXT.slice(1))
  refuses('consumer', consumer => worker('x', { consumer }), NO_TEXT.slice(1))
  for (const option of ['concurrency', 'weight', 'readCount', 'maxDeliveries'])
    refuses(option, value => worker('x', { [option]: value }), NO_COUNT)
  for (const option of ['pollIntervalMs', 'claimMinIdleMs'])
    refuses(option, value => worker('x', { [option]: value }), NO_PAUSE)
  refuses('maxBackoffMs', maxBackoffMs => worker('x', { maxBackoffMs }), [-1, Number.NaN, 2 ** 31])
  refuses('autorun', autorun => worker('x', { autorun }), [0, 'no', null])
  refuses('pool', each => worker('x', { pool: each }), [...NO_OBJECT, {}])
  refuses('onPoison', onPoison => worker('x', { onPoison }), [null, 'x', {}])
  refuses('logger', logger => worker('x', { logger }), NO_OBJECT)
  refuses('limiter', limiter => worker('x', { limiter }), NO_OBJECT)
  refuses('limiter.max', max => worker('x', { limiter: { max } }), [...NO_COUNT, undefined])
  refuses('limiter.windowSeconds', value => worker('x', { limiter: { max: 1, windowSeconds: value } }), NO_PAUSE)
  expect(() => new StreamWorker('x', () => undefined, undefined as never)).toThrow(TypeError)
})

test('concurrency and weight are checked as they are set, and stay what they were', () => {
  const each = worker('x', { concurrency: 3, weight: 2 })
  refuses('concurrency', value => Object.assign(each, { concurrency: value }), [...NO_COUNT, undefined])
  refuses('weight', value => Object.assign(each, { weight: value }), [...NO_COUNT, undefined])
  expect([each.concurrency, each.weight]).toEqual([3, 2])
})

test('a pool’s maxInFlight is checked as it is set', () => {
  refuses('maxInFlight', value => Object.assign(pool({}), { maxInFlight: value }), [...NO_COUNT, undefined])
})

test('a connection’s part that would not be obeyed is refused by name, and its value not said', () => {
  const parts = { host: '127.0.0.1', port: 1, keyPrefix: 'secret:', maxRetriesPerRequest: null }
  const why = /^connection\.keyPrefix is nothing that this connection obeys: (?!.*secret)/
  expect(() => queue('x', { connection: parts })).toThrow(why)
  expect(() => worker('x', { connection: parts })).toThrow(why)
})

test('an option that is undefined was not given', () => {
  const each = worker('x', { concurrency: undefined, consumer: undefined, limiter: undefined, logger: undefined })
  expect(each.concurrency).toBe(1)
  expect(each.consumer).toContain(`-${process.pid}-`)
})

test('a pool refuses what cannot be meant, naming the option', () => {
  refuses('connection', each => pool({ connection: each }), NO_CONNECTION)
  refuses('maxInFlight', maxInFlight => pool({ maxInFlight }), [...NO_COUNT, undefined])
  refuses('pollIntervalMs', pollIntervalMs => pool({ pollIntervalMs }), NO_PAUSE)
})

test('a connection refuses what cannot be meant, naming the option and never the URL', () => {
  const urls = ['localhost:6379', 'http://u:secret@h', 'redis://u:secret@[', 'u:secret@h:1']
  refuses('url', url => connect({ url }), [...NO_TEXT, ...urls])
  for (const url of urls) expect(() => connect({ url })).not.toThrow(/secret/)
  refuses('cluster', cluster => connect({ cluster }), ['yes', 1])
  refuses('allowEviction', allowEviction => connect({ allowEviction }), ['yes', 1])
  refuses('tls', tls => connect({ tls }), [true, 'x'])
  refuses('name', name => connect({ name }), [null, '', 'a b', 'é', 7])
  refuses('commandTimeoutMs', commandTimeoutMs => connect({ commandTimeoutMs }), NO_PAUSE)
})
