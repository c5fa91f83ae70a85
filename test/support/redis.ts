import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '#local/servers/free-port.ts'
import type { LocalServer } from '#local/servers/local-server.ts'
import { Progress } from '#local/servers/progress.ts'
import { type RedisServerOptions, redisServer } from '#local/servers/redis.ts'

export interface TestRedis {
  url: string
  server: LocalServer
  /** A plain connection beside the one under test. */
  probe: Redis
  stop(): Promise<void>
}

/** When its server is gone, ioredis' timer for a socket that is hung up on outlives a test's end; by 2 s if nobody says less. */
export const DISCONNECT_TIMEOUT_MS = 50

/** A Redis of its own, as the embedded stack starts it. */
export async function startTestRedis(
  options: RedisServerOptions = {},
  env: Record<string, string> = {},
): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-redis-'))
  const progress = new Progress(() => undefined)
  const context = { env: { ...process.env, ...env }, folder, keep: false, progress, pickPort: freePort }
  const server = redisServer(context, options)
  const { REDIS_URL: url } = await server.start()
  const probe = new Redis(url!, { retryStrategy: () => 50, disconnectTimeout: DISCONNECT_TIMEOUT_MS })
  probe.on('error', () => undefined)
  return {
    url: url!,
    server,
    probe,
    stop: async () => {
      probe.disconnect()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits for a state of the world, and says what it waited for. */
export async function until(what: string, look: () => Promise<boolean> | boolean, timeoutMs = 8000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
