import { chmodSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LocalStackError, reasonOf } from './errors.ts'
import { findExecutable } from './executables.ts'
import type { LocalContext } from './local-server.ts'
import { aptInstall, hasApt, runMaven } from './packages.ts'
import { cachedFolder } from './user-cache.ts'

/** Holds Redis 6.2 for Linux and macOS (12 MB): what is left where nothing may be installed. */
const JAR = 'com.github.codemonstur:embedded-redis:1.4.3'
const JAR_BINARIES: Record<string, string> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
}
const UNPACK = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack'

/** The path of a Redis or Valkey server: the one that is installed, else fetched. Rejects with `REDIS_MISSING`. */
export async function findRedis(context: LocalContext): Promise<string> {
  const found = installedRedis(context)
  if (found !== undefined) return found
  const reasons: string[] = []
  for (const source of [fromApt, redisFromJar]) {
    try {
      return await source(context)
    } catch (error) {
      reasons.push(reasonOf(error))
    }
  }
  const remedy = 'install redis-server or valkey-server, or set REDIS_URL'
  throw new LocalStackError('REDIS_MISSING', `no Redis: ${reasons.join('; ')}; ${remedy}`)
}

/**
 * Debian keeps the server's binary in `redis-tools` as `redis-check-rdb` (it looks at the name it is called by);
 * the package `redis-server` adds a link and a system service, which nobody asked for.
 */
function installedRedis({ env, folder }: LocalContext): string | undefined {
  const server = findExecutable(env, 'redis-server', 'valkey-server')
  if (server !== undefined) return server
  const tool = process.platform === 'linux' ? findExecutable(env, 'redis-check-rdb') : undefined
  if (tool === undefined) return undefined
  const link = join(folder, 'redis', 'redis-server')
  rmSync(link, { force: true })
  symlinkSync(tool, link)
  return link
}

async function fromApt(context: LocalContext): Promise<string> {
  if (!hasApt(context)) throw new LocalStackError('REDIS_MISSING', 'redis-server is not on the PATH')
  await aptInstall(context, 'redis-tools')
  const server = installedRedis(context)
  if (server === undefined) throw new LocalStackError('REDIS_MISSING', 'the package redis-tools brought no server')
  return server
}

/** Redis 6.2, the same everywhere. Rejects with `REDIS_MISSING`, or when Maven cannot fetch it. */
export async function redisFromJar(context: LocalContext): Promise<string> {
  const binary = JAR_BINARIES[`${process.platform}-${process.arch}`]
  if (binary === undefined) throw new LocalStackError('REDIS_MISSING', `none fetchable for ${process.platform}`)
  const folder = await cachedFolder(context.env, 'redis-6.2', async draft => {
    const args = [UNPACK, `-Dartifact=${JAR}`, `-DoutputDirectory=${draft}`, `-Dmdep.unpack.includes=${binary}`]
    await runMaven(context, 'Fetching Redis 6.2 (12 MB, once)', args)
    chmodSync(join(draft, binary), 0o755)
  })
  return join(folder, binary)
}
