import type { Redis } from 'ioredis'
import { reconnectPauseMs } from '#runtime/redis.ts'
import { StreamConnection } from '../connection.ts'
import type { StreamConnectionOptions } from '../connection-options.ts'
import { MemoryClient, type MemoryLink } from './memory-client.ts'
import type { MemoryServer } from './memory-server.ts'

export interface MemoryConnectionOptions extends Omit<StreamConnectionOptions, 'url' | 'cluster' | 'tls'> {
  link?: MemoryLink
}

/** A connection to a server inside this process: everything of a real one but the socket. */
export function createMemoryConnection(
  server: MemoryServer,
  { link, ...options }: MemoryConnectionOptions = {},
): StreamConnection {
  const client = new MemoryClient(server, {
    ...(link === undefined ? {} : { link }),
    commandTimeoutMs: options.commandTimeoutMs ?? 5000,
    reconnectPauseMs,
  })
  return new StreamConnection({ url: 'redis://memory', ...options }, () => client as unknown as Redis)
}
