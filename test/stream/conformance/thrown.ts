import { once } from 'node:events'
import { describe, expect, jest, test } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { GROUP, jobs, name, queueOf, redis, work } from '../../support/stream-harness.ts'

const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('what is thrown', () => {
  test('without a text is a failure like any other', async () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const thrown: unknown[] = [
      Object.create(null),
      Symbol('s'),
      ...[undefined, null, '', 0, 1n, () => 'x', []],
      revoked.proxy,
      new Error(''),
      new AggregateError([Object.create(null)], ''),
      Object.assign(new Error('x'), { message: Symbol('s') }),
      Object.defineProperty(new Error('x'), 'stack', {
        get() {
          throw new Error('no stack')
        },
      }),
      { toString: () => ({}) },
      Object.defineProperty(new Error('x'), 'message', {
        get() {
          throw new Error('no message')
        },
      }),
    ]
    const worker = work(
      async entry => {
        throw thrown[Number(entry.fields.n)]
      },
      { maxDeliveries: 1 },
    )
    const messages: unknown[] = []
    worker.on('failed', (_entry, error) => messages.push(typeof error.message))
    worker.on('error', () => undefined)
    await queueOf().addBulk(jobs(thrown.length - 1))
    await queueOf().add({ n: String(thrown.length - 1) })
    await until('each is a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === thrown.length)
    expect(new Set(messages)).toEqual(new Set(['string']))
  })

  test('by a listener is heard as `error`, also without a logger', async () => {
    const worker = work(() => undefined)
    worker.on('completed', () => {
      throw new Error('a bad listener')
    })
    const heard = once(worker, 'error')
    await queueOf().add({ n: '1' })
    const [error] = (await heard) as [Error]
    expect(error).toMatchObject({
      code: 'STREAM_LISTENER',
      message: 'a listener of «completed» threw: a bad listener',
    })
    await until('an empty stream', isEmptied)
  })

  test('for the last time makes it a dead letter at once, not a pause later', async () => {
    const worker = work(
      () => {
        throw new Error('boom')
      },
      { maxDeliveries: 1, backoff: 60_000 },
    )
    const messages: string[] = []
    worker.on('failed', (_job, error) => messages.push(error.message))
    await queueOf().add({ n: '1' })
    await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
    await until('an empty stream', isEmptied)
    expect(messages).toEqual(['boom', 'failed once, with: boom'])
  })
})

const EVENTS = [
  'ready',
  'active',
  'completed',
  'failed',
  'stalled',
  'drained',
  'paused',
  'resumed',
  'closing',
  'closed',
]

describe.each([
  [
    'throws',
    (event: string) => () => {
      throw new Error(event)
    },
  ],
  ['rejects', (event: string) => () => Promise.reject(new Error(event))],
  ['throws something without a text', () => () => Promise.reject(Object.create(null))],
] as const)('a listener that %s', (how, listenerOf) => {
  test('of whatever event, is heard as `error`, and the worker goes on to its end', async () => {
    const heard = new Set<string>()
    const calls = new Map<string, number>()
    const handler = ({ fields: { n } }: { fields: { n: string } }) => {
      calls.set(n, (calls.get(n) ?? 0) + 1)
      if (n === '0' && calls.get(n) === 1) throw new Error('boom')
    }
    const worker = work(handler, { autorun: false, claimMinIdleMs: 300 })
    for (const event of EVENTS) worker.on(event as 'ready', listenerOf(event))
    worker.on('error', error => heard.add(String(/«(\w+)»/.exec(error.message)?.[1])))
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(3))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 1, 'STREAMS', name, '>')
    void worker.run()
    await until('an empty stream', isEmptied)
    await worker.pause()
    worker.resume()
    await queueOf().add({ n: 'last' })
    await until('an empty stream again', isEmptied)
    await worker.close()
    await until('all are heard', () => EVENTS.every(event => heard.has(event)))
    expect([how, [...calls.keys()].sort()]).toEqual([how, ['0', '1', '2', 'last']])
  })

  test('of `error` itself, is a warning of the process, and the worker goes on', async () => {
    const worker = work(() => undefined)
    worker.on('error', listenerOf('error') as () => void)
    worker.on('completed', () => {
      throw new Error('a bad listener')
    })
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await queueOf().add({ n: '1' })
    await until('it is told', () => warn.mock.calls.length > 0)
    await until('an empty stream', isEmptied)
    expect(warn.mock.calls[0]?.[1]).toEqual({ code: 'STREAM_LISTENER' })
    warn.mockRestore()
  })
})
