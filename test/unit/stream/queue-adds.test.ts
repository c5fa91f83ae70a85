import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { StreamQueue, type StreamQueueOptions } from '#stream/index.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

let rig: MemoryRig
beforeEach(async () => {
  rig = await memoryRig()
})
afterEach(() => rig.connection.close())

// biome-ignore lint/suspicious/noExplicitAny: what callers without types may hand over.
const queueOf = (options: Partial<StreamQueueOptions> = {}): any =>
  new StreamQueue('s', { connection: rig.connection, group: 'g', ...options })
const fields = () => (rig.ask('XRANGE', 's', '-', '+') as [string, string[]][]).map(([, each]) => each)

describe('an add', () => {
  test('of data alone, or behind a name', async () => {
    const queue = queueOf()
    expect(await queue.add({ to: 'ada' })).toMatchObject({
      id: expect.any(String),
      name: undefined,
      data: { to: 'ada' },
    })
    expect(await queue.add('mail', { to: 'ada' })).toMatchObject({ name: 'mail', data: { to: 'ada' } })
    expect(await queue.add('mail', { to: 'ada' }, {})).toMatchObject({ name: 'mail' })
    expect(fields()).toEqual([
      ['data', '{"to":"ada"}'],
      ['name', 'mail', 'data', '{"to":"ada"}'],
      ['name', 'mail', 'data', '{"to":"ada"}'],
    ])
  })

  test.each<[call: unknown[], why: string | RegExp]>([
    [['mail', {}, { attempts: 3 }], 'attempts is left out'],
    [[{ to: 'ada' }, { attempts: 3 }], 'attempts is left out'],
    [['', {}], /^name must /],
    [[7, {}], /^name must /],
    [[undefined], 'the entry cannot be encoded'],
  ])('%j is refused, and nothing sent', async (call, why) => {
    await expect(queueOf().add(...call)).rejects.toThrow(why)
    expect(rig.sent).toEqual([])
  })

  test.each<[call: unknown[], why: string]>([
    [[{ name: 'mail', data: 1, opts: { delay: 5 } }], 'delay is left out'],
    [[1, undefined], 'entry 1 cannot be encoded'],
  ])('of many is refused as a whole: %j', async (entries, why) => {
    await expect(queueOf().addBulk(entries)).rejects.toThrow(why)
    expect(rig.sent).toEqual([])
  })

  test('of many has the names that it is given, one for all or each its own', async () => {
    const queue = queueOf()
    const all = await queue.addBulk('mail', [1, 2])
    const each = await queue.addBulk([{ name: 'text', data: 3 }, { to: 'ada' }])
    expect([...all, ...each].map(({ name, data }) => [name, data])).toEqual([
      ['mail', 1],
      ['mail', 2],
      ['text', 3],
      [undefined, { to: 'ada' }],
    ])
    expect(fields().map(flat => flat.at(-3))).toEqual(['mail', 'mail', 'text', undefined])
    await expect(queue.addBulk('mail', 1)).rejects.toThrow('entries must be an array')
    await expect(queue.addBulk(1)).rejects.toThrow('entries must be an array')
  })
})

describe('counts', () => {
  test('are of what lies on the stream, is with a consumer, waits, and has failed', async () => {
    const queue = queueOf()
    await queue.ensureGroup()
    await queue.addBulk([1, 2, 3])
    rig.ask('XREADGROUP', 'GROUP', 'g', 'me', 'COUNT', 1, 'STREAMS', 's', '>')
    for (const id of ['1-0', '2-0']) rig.ask('XADD', 's:dead-letter', id, 'n', '1')
    expect(await queue.counts()).toEqual({ length: 3, pending: 1, waiting: 2 })
    expect(await queue.getJobCounts()).toEqual({ waiting: 2, active: 1, failed: 2 })
    expect(await queue.deadLetters().count()).toBe(2)
  })

  test('are never below none: what is pending may be deleted', async () => {
    const queue = queueOf()
    await queue.ensureGroup()
    const { id } = await queue.add(1)
    rig.ask('XREADGROUP', 'GROUP', 'g', 'me', 'STREAMS', 's', '>')
    rig.ask('XDEL', 's', id)
    expect(await queue.counts()).toEqual({ length: 0, pending: 1, waiting: 0 })
  })
})

describe('a clean-up', () => {
  test('deletes what was acknowledged and kept, and tells how many', async () => {
    const queue = queueOf()
    await queue.ensureGroup()
    const [{ id }] = await queue.addBulk([1, 2])
    rig.ask('XREADGROUP', 'GROUP', 'g', 'me', 'COUNT', 1, 'STREAMS', 's', '>')
    rig.ask('XACK', 's', 'g', id)
    expect([await queue.trimAcknowledged(), await queue.length()]).toEqual([1, 1])
    expect(rig.sent.find(([name]) => name === 'streamTrimAcknowledged')).toEqual([
      'streamTrimAcknowledged',
      's',
      'g',
      '1000',
    ])
  })

  test('of the oldest takes whole nodes first, then the rest', async () => {
    const queue = queueOf()
    await queue.addBulk(Array.from({ length: 250 }, (_, index) => index))
    const [first, second, third] = [await queue.deleteOldest(), await queue.deleteOldest(), await queue.deleteOldest()]
    expect([first + second, third]).toEqual([250, 0])
    expect(rig.sent.filter(([name]) => name === 'xtrim').map(command => command.slice(3))).toEqual([
      ['~', '0', 'LIMIT', '10000'],
      ['~', '0', 'LIMIT', '10000'],
      ['0'],
      ['~', '0', 'LIMIT', '10000'],
      ['0'],
    ])
  })

  test('of all takes the pause and the limiter’s count with it, and leaves the dead letters', async () => {
    const queue = queueOf()
    await queue.add(1)
    await queue.pause()
    rig.ask('SET', 's:limiter', '5')
    rig.ask('XADD', 's:dead-letter', '*', 'n', '1')
    await queue.obliterate()
    expect(['s', 's:paused', 's:limiter', 's:dead-letter'].map(key => rig.ask('EXISTS', key))).toEqual([0, 0, 0, 1])
  })
})

test('a group of another name is made where one asks for it', async () => {
  await queueOf().ensureGroup('other')
  await queueOf().ensureGroup()
  expect((rig.ask('XINFO', 'GROUPS', 's') as string[][]).map(([, name]) => name)).toEqual(['g', 'other'])
})

test('a pause is taken back, and kept in Redis', async () => {
  const queue = queueOf()
  await queue.pause()
  expect([await queueOf().isPaused(), rig.ask('GET', 's:paused')]).toEqual([true, '1'])
  await queue.resume()
  expect([await queueOf().isPaused(), rig.ask('EXISTS', 's:paused')]).toEqual([false, 0])
})

describe('a connection', () => {
  test('that is not there yet is waited for', async () => {
    await using fresh = await memoryRig({ isConnected: false })
    const queue = new StreamQueue('s', { connection: fresh.connection })
    await queue.waitUntilReady()
    expect([fresh.connection.state, await queue.length()]).toEqual(['ready', 0])
  })

  test('that is shared stays open when the queue is closed, and one’s own does not', async () => {
    {
      await using _queue = queueOf()
    }
    expect(rig.connection.state).toBe('ready')
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const own = new StreamQueue('s', { connection: { host: '127.0.0.1', port } })
    const waiting = own.waitUntilReady()
    const [socket] = (await once(server, 'connection')) as [Socket]
    socket.resume()
    const hungUp = once(socket, 'close')
    await own.close()
    await expect(waiting).rejects.toMatchObject({ code: 'STREAM_UNREACHABLE' })
    await hungUp
    server.close()
  })
})
