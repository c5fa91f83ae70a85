import type { Redis } from 'ioredis'
import type { StreamConnection } from '#stream/index.ts'
import { IMMEDIATE_LINK, type MemoryLink } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import type { FlavouredRedis } from './redis-flavours.ts'

/** The server inside the process, with what tests ask of one beside the framework's own commands. */
export async function startMemoryRedis(): Promise<FlavouredRedis> {
  const server = new MemoryServer()
  const connections = new Map<StreamConnection, string | undefined>()
  let isUp = true
  let pausedUntilMs = 0
  const link: MemoryLink = {
    carry: (command, execute, settle) => {
      const pauseMs = pausedUntilMs - performance.now()
      if (pauseMs > 0) setTimeout(() => settle(execute()), pauseMs)
      else IMMEDIATE_LINK.carry(command, execute, settle)
    },
    connect: async () => {
      if (!isUp) throw new Error('connect ECONNREFUSED')
      await IMMEDIATE_LINK.connect()
    },
  }
  const others: Record<string, (...args: string[]) => unknown> = {
    flushall: () => server.keys.clear(),
    info: section =>
      section === 'server'
        ? 'redis_version:8.2.0'
        : `cmdstat_xackdel:calls=${server.callsOf('xackdel')}\n${stats(server)}`,
    config: (_set, name, value) => {
      if (name === 'maxmemory') server.keys.isFull = value !== '0'
      else server.evictionPolicy = value ?? ''
    },
    client: () =>
      [...connections].flatMap(([{ state }, name]) => (state === 'end' ? [] : [`id=1 name=${name}`])).join('\n'),
    xrevrange: (key, end, start) => (reply(server, ['XRANGE', key, start, end]) as unknown[]).reverse(),
    call: (name, action, value) => {
      if (name === 'CLIENT' && action === 'PAUSE') pausedUntilMs = performance.now() + Number(value)
      else if (name === 'CLIENT' && action === 'KILL') server.cutConnections()
      else throw new Error(`the probe does not know ${name} ${action}`)
    },
  }
  const probe = new Proxy({} as Redis, {
    // A promise is not what it looks like: it has no `then`.
    get: (_target, name) =>
      name === 'then'
        ? undefined
        : async (...args: (string | number)[]) => {
            // As over a socket: who asks in a loop leaves the others a turn.
            await new Promise(resolve => void setImmediate(resolve))
            return (others[String(name)] ?? ((...texts: string[]) => reply(server, [String(name), ...texts])))(
              ...args.map(String),
            )
          },
  })
  return {
    url: 'redis://memory',
    options: { url: 'redis://memory' },
    proxied: async () => {
      throw new Error('there is no way to a server inside the process')
    },
    connect: options => {
      const connection = createMemoryConnection(server, { link, ...options })
      connections.set(connection, options.name)
      return connection
    },
    probe,
    server: {
      start: async () => {
        isUp = true
        return {}
      },
      stop: async () => {
        isUp = false
        server.cutConnections()
      },
    },
    onEach: async command => void (await command(probe)),
    stop: async () => undefined,
  }
}

function stats(server: MemoryServer): string {
  return ['xreadgroup', 'xdel'].map(name => `cmdstat_${name}:calls=${server.callsOf(name)}`).join('\n')
}

function reply(server: MemoryServer, command: string[]): unknown {
  const answer = server.execute(command)
  if ('error' in answer) throw answer.error
  return answer.reply
}
