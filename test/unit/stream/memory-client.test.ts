import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { MemoryClient, type MemoryClientOptions, type MemoryLink } from '#stream/memory/memory-client.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'

const CLOSED = 'Connection is closed.'

let server: MemoryServer
let client: MemoryClient
/** What the client tells of itself. */
let events: string[]
/** Commands that have no answer yet: each is answered when the test calls it. */
let underWay: (() => void)[]
let connecting: PromiseWithResolvers<void>[]

const link: MemoryLink = {
  carry: (_command, execute, settle) => void underWay.push(() => settle(execute())),
  connect: () => {
    connecting.push(Promise.withResolvers())
    return connecting.at(-1)!.promise
  },
}

beforeEach(() => {
  jest.useFakeTimers()
  server = new MemoryServer({ clock: () => 1000 })
  ;[events, underWay, connecting] = [[], [], []]
  make()
})
afterEach(() => void jest.useRealTimers())

const USUAL: MemoryClientOptions = { commandTimeoutMs: 50, reconnectPauseMs: attempt => 100 * attempt }

function make(options = USUAL): void {
  client = new MemoryClient(server, { link, ...options })
  for (const event of ['ready', 'close', 'end', 'reconnecting', 'error']) client.on(event, () => events.push(event))
}

async function connect(): Promise<void> {
  const connected = client.connect()
  connecting.at(-1)!.resolve()
  await connected
  events.length = 0
}

/** What became of a command so far. */
function fate(answer: Promise<unknown>): { is: unknown } {
  const told: { is: unknown } = { is: 'under way' }
  answer.then(
    reply => (told.is = reply),
    (error: Error) => (told.is = error.message),
  )
  return told
}

const turn = () => jest.advanceTimersByTimeAsync(0)

describe('connecting', () => {
  test('is done once the server was reached, and only once', async () => {
    expect(client.status).toBe('wait')
    const connected = client.connect()
    expect(client.status).toBe('connecting')
    await expect(client.connect()).rejects.toThrow('already connecting')
    connecting[0]!.resolve()
    await connected
    expect([client.status, events]).toEqual(['ready', ['ready']])
    await expect(client.connect()).rejects.toThrow('already connecting')
  })

  test('goes on, with longer and longer pauses, until the server is there', async () => {
    const connected = fate(client.connect())
    connecting[0]!.reject(new Error('nobody there'))
    await turn()
    expect([client.status, events, connected.is]).toEqual(['reconnecting', ['error', 'reconnecting'], 'nobody there'])
    await jest.advanceTimersByTimeAsync(100)
    expect(client.status).toBe('connecting')
    connecting[1]!.reject(new Error('nobody there'))
    await jest.advanceTimersByTimeAsync(199)
    expect(connecting).toHaveLength(2)
    await jest.advanceTimersByTimeAsync(1)
    connecting[2]!.resolve()
    await turn()
    expect(client.status).toBe('ready')
    // Having been there, it begins anew.
    client.cut()
    await jest.advanceTimersByTimeAsync(100)
    expect(connecting).toHaveLength(4)
  })

  test.each(['resolve', 'reject'] as const)(
    'of a client that was closed meanwhile fails, and says nothing: %s',
    async how => {
      const connected = fate(client.connect())
      client.disconnect()
      connecting[0]![how](new Error('nobody there') as never)
      await jest.advanceTimersByTimeAsync(1000)
      expect([client.status, events, connected.is]).toEqual(['end', ['close', 'end'], CLOSED])
      expect(connecting).toHaveLength(1)
    },
  )

  test('without a pause it tries again at once', async () => {
    make({})
    await connect()
    client.cut()
    await jest.advanceTimersByTimeAsync(1)
    expect(connecting).toHaveLength(2)
  })
})

describe('commands', () => {
  beforeEach(connect)

  test('are answered, or refused, by the server', async () => {
    const sent = [
      client.call('SET', 'k', 1),
      client.call('XLEN', 'k'),
      client.call('EXISTS', ['k', ['l', 'k']]),
      client.sendCommand({ name: 'GET', args: ['k'] }),
    ]
    const fates = sent.map(fate)
    await turn()
    expect(fates.map(({ is }) => is)).toEqual(Array(4).fill('under way'))
    for (const answer of underWay) answer()
    await turn()
    expect(fates.map(({ is }) => is)).toEqual(['OK', expect.stringContaining('WRONGTYPE'), 2, '1'])
  })

  test('are given up when no answer comes in time, however it comes later', async () => {
    const told = fate(client.call('SET', 'k', 'v'))
    await jest.advanceTimersByTimeAsync(49)
    expect(told.is).toBe('under way')
    await jest.advanceTimersByTimeAsync(1)
    expect(told.is).toBe('Command timed out')
    underWay[0]!()
    await turn()
    expect([told.is, server.execute(['GET', 'k'])]).toEqual(['Command timed out', { reply: 'v' }])
  })

  test('leave nothing that waits when they are answered', async () => {
    const answer = client.call('PING')
    underWay[0]!()
    await answer
    expect(jest.getTimerCount()).toBe(0)
  })

  test('without a limit wait for ever', async () => {
    make({})
    await connect()
    const told = fate(client.call('PING'))
    await jest.advanceTimersByTimeAsync(100_000)
    expect(told.is).toBe('under way')
  })

  test('are refused while there is no connection', async () => {
    client.cut()
    await expect(client.call('PING')).rejects.toThrow("Stream isn't writeable")
    expect(underWay).toEqual([])
  })

  test('of a pipeline have an answer or an error each', async () => {
    const pipeline = client.multi().add('SET', ['k', 'v'])
    // As ioredis has it: each command is a method.
    ;(pipeline as unknown as Record<string, (key: string) => void>).get!('k')
    const all = pipeline.add('XLEN', ['k']).exec()
    for (const answer of underWay) answer()
    expect(await all).toEqual([
      [null, 'OK'],
      [null, 'v'],
      [expect.objectContaining({ message: expect.stringContaining('WRONGTYPE') }), undefined],
    ])
  })

  test('come as bytes where those are asked for', async () => {
    server.execute(['XADD', 's', '1-0', 'n', '1'])
    const reply = client.callBuffer('XRANGE', 's', '-', '+')
    const none = client.callBuffer('XLEN', 's')
    for (const answer of underWay) answer()
    expect(await reply).toEqual([[Buffer.from('1-0'), [Buffer.from('n'), Buffer.from('1')]]])
    expect(await none).toBe(1)
  })

  test('that are defined are methods of their own', async () => {
    client.defineCommand('streamRemove')
    const answer = (client as unknown as Record<string, (...args: string[]) => Promise<unknown>>).streamRemove!(
      's',
      'g',
    )
    underWay[0]!()
    expect(await answer).toBe(1)
  })
})

describe('a connection that is lost', () => {
  beforeEach(connect)

  test('takes what is under way with it, and comes back', async () => {
    const told = fate(client.call('PING'))
    server.cutConnections()
    await turn()
    expect([told.is, events, client.status]).toEqual([CLOSED, ['close', 'reconnecting'], 'reconnecting'])
    // Only its return is waited for.
    expect(jest.getTimerCount()).toBe(1)
    underWay[0]!()
    // Cut again, it has nothing to lose.
    server.cutConnections()
    client.cut()
    await jest.advanceTimersByTimeAsync(100)
    connecting[1]!.resolve()
    await turn()
    expect([told.is, events, client.status]).toEqual([CLOSED, ['close', 'reconnecting', 'ready'], 'ready'])
    server.cutConnections()
    expect(events.slice(3)).toEqual(['close', 'reconnecting'])
  })

  test('by its own side stays lost, and is told once', async () => {
    const told = fate(client.call('PING'))
    client.disconnect()
    client.disconnect()
    server.cutConnections()
    await jest.advanceTimersByTimeAsync(1000)
    expect([told.is, events, client.status, connecting.length]).toEqual([CLOSED, ['close', 'end'], 'end', 1])
    expect(jest.getTimerCount()).toBe(0)
    await connect()
    expect(client.status).toBe('ready')
  })

  test('is not sought any more once the client was closed', async () => {
    client.cut()
    client.disconnect()
    await jest.advanceTimersByTimeAsync(1000)
    expect([connecting.length, jest.getTimerCount()]).toEqual([1, 0])
  })
})

test('what is under way when a connection is lost is answered to nobody on the next one', async () => {
  await connect()
  const told = fate(client.call('PING'))
  client.cut()
  await jest.advanceTimersByTimeAsync(100)
  connecting[1]!.resolve()
  await turn()
  const next = client.call('GET', 'k')
  for (const answer of underWay) answer()
  expect([await next, told.is]).toEqual([null, CLOSED])
})
