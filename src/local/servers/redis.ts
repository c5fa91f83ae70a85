import { join } from 'node:path'
import { type LocalContext, type LocalServer, localServer } from './local-server.ts'
import { findRedis } from './redis-binary.ts'
import { ServerProcess } from './server-process.ts'
import { serverFolder } from './workspace.ts'

/** Loses at most a second when it is killed, evicts nothing, and is there for this machine alone. */
const SETTINGS = {
  bind: '127.0.0.1',
  appendonly: 'yes',
  appendfsync: 'everysec',
  save: '',
  'maxmemory-policy': 'noeviction',
  daemonize: 'no',
}

export interface RedisServerOptions {
  /** Finds the server's binary. Default: the one that is installed, else fetched. */
  find?: (context: LocalContext) => Promise<string>
  /** Beside our own, which they overrule. */
  settings?: (port: number) => Record<string, string>
}

/** Redis or Valkey with an append-only file, on loopback. Gives `REDIS_URL` and `REDIS_STREAM_URL` (the same). */
export function redisServer(
  context: LocalContext,
  { find = findRedis, settings = () => ({}) }: RedisServerOptions = {},
): LocalServer {
  const { env, folder, keep } = context
  const home = join(folder, 'redis')
  let binary = ''
  return localServer(context, {
    name: 'Redis',
    ports: 1,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 5000,
    prepare: async () => {
      serverFolder(folder, 'redis')
      binary = await find(context)
    },
    launch: ([port = 0]) =>
      ServerProcess.start({
        name: 'Redis',
        file: binary,
        args: Object.entries({ ...SETTINGS, dir: home, port: String(port), ...settings(port) }).flatMap(
          ([key, value]) => [`--${key}`, value],
        ),
        env,
        cwd: home,
        logFile: join(folder, 'redis.log'),
        readyPattern: /Ready to accept connections/,
        readyTimeoutMs: 60_000,
        deathSignal: 'TERM',
        keep,
      }),
    variables: ([port]) => {
      const url = `redis://127.0.0.1:${port}`
      return { REDIS_URL: url, REDIS_STREAM_URL: url }
    },
  })
}
