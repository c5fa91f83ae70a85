import type { ConnectionOptions } from 'node:tls'
import { Redis } from 'ioredis'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import { type Finding, findingsOf } from './finding.ts'
import { examineMasters } from './redis-masters.ts'

export interface RedisToExamine {
  /** `redis` or `streams`. */
  area: string
  /** The setting that the URL comes from. */
  setting: string
  url: string
  cluster: boolean
  tls?: ConnectionOptions
}

const TIMEOUT_MS = 3000
/** XAUTOCLAIM and LMPOP's predecessors: what 6.2 brought. */
const NEEDED_COMMANDS = ['XAUTOCLAIM', 'XADD', 'XREADGROUP'] as const
const MEMORY_WARNING_SHARE = 0.9

/** Is Redis there, one that may be written, that deletes nothing by itself, and keeps what it has through a restart? */
export function examineRedis(target: RedisToExamine): Promise<Finding[]> {
  return withServer(target, async (client, info) => {
    const mode = modeFindings(target, info)
    const isCluster = target.cluster && info.get('cluster_enabled') === '1'
    const servers = isCluster
      ? await examineMasters(target.area, client, target.url, url =>
          withServer({ ...target, url }, (master, its) => serverFindings(target, master, its)),
        )
      : await serverFindings(target, client, info)
    return [...servers, ...mode]
  })
}

async function withServer(
  { area, url, setting, tls }: RedisToExamine,
  look: (client: Redis, info: ReadonlyMap<string, string>) => Promise<Finding[]>,
): Promise<Finding[]> {
  const { failed } = findingsOf(area)
  let client: Redis
  try {
    client = await connect(url, tls)
  } catch (error) {
    return [failed('connection', errorLine(error), todoOf(errorLine(error), setting))]
  }
  try {
    const info = await readInfo(client)
    if (info === undefined)
      return [failed('connection', 'the user may not ask INFO', `allow +info to the user of ${setting}`)]
    return await look(client, info)
  } finally {
    client.disconnect()
  }
}

async function serverFindings(
  target: RedisToExamine,
  client: Redis,
  info: ReadonlyMap<string, string>,
): Promise<Finding[]> {
  const version = info.get('valkey_version') ?? info.get('redis_version')
  return [
    findingsOf(target.area).ok('connection', `${info.get('server_name') ?? 'Redis'} ${version}`),
    ...loadingFindings(target.area, info),
    ...keepingFindings(target, info),
    ...(await commandFindings(target, client)),
  ]
}

/** Rejects with the server's own reason: ioredis says it in an event, and then that the connection is closed. */
async function connect(url: string, tls: ConnectionOptions | undefined): Promise<Redis> {
  const client = new Redis(url, {
    ...(tls === undefined || !url.startsWith('rediss:') ? {} : { tls }),
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
  })
  let reason: Error | undefined
  client.on('error', error => {
    reason ??= error
  })
  try {
    await client.connect()
    await client.ping()
    if (reason !== undefined) throw reason
    return client
  } catch (error) {
    client.disconnect()
    throw new CodedError('REDIS_UNREACHABLE', errorLine(reason ?? toError(error)), { cause: error })
  }
}

function todoOf(reason: string, setting: string): string {
  if (/NOAUTH|WRONGPASS|NOPERM|invalid password|without any password/i.test(reason))
    return `correct user and password in ${setting}`
  if (/certificate|SSL|TLS|wrong version number/i.test(reason)) return `correct rediss:// or redis:// in ${setting}`
  return `start Redis, or correct ${setting}`
}

/** `undefined` where the user may not ask. */
async function readInfo(client: Redis): Promise<Map<string, string> | undefined> {
  try {
    const text = await client.info()
    return new Map([...text.matchAll(/^([\w-]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]))
  } catch (error) {
    if (errorLine(error).startsWith('NOPERM')) return undefined
    throw error
  }
}

function modeFindings({ area, cluster, setting }: RedisToExamine, info: ReadonlyMap<string, string>): Finding[] {
  const { failed } = findingsOf(area)
  const findings: Finding[] = []
  const isCluster = info.get('cluster_enabled') === '1'
  if (isCluster !== cluster) {
    const detail = `it is ${isCluster ? '' : 'not '}a cluster, and REDIS_CLUSTER is ${cluster}`
    findings.push(failed('mode', detail, `set REDIS_CLUSTER=${isCluster}, or correct ${setting}`))
  }
  if (info.get('role') === 'slave' && !cluster)
    findings.push(failed('role', 'it is a replica, which takes no writes', `name the master in ${setting}`))
  return findings
}

function loadingFindings(area: string, info: ReadonlyMap<string, string>): Finding[] {
  if (info.get('loading') !== '1') return []
  return [findingsOf(area).failed('loading', 'it is still reading its data', 'wait until it has')]
}

function keepingFindings({ area }: RedisToExamine, info: ReadonlyMap<string, string>): Finding[] {
  const { ok, warning, failed } = findingsOf(area)
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  const findings = [
    policy === 'noeviction'
      ? ok('eviction', policy)
      : failed('eviction', `${policy} may delete a whole stream`, 'set maxmemory-policy to noeviction'),
    info.get('aof_enabled') === '0'
      ? warning(
          'persistence',
          'no append-only file: a restart empties it; rows put everything back, later',
          'set appendonly yes',
        )
      : ok('persistence', 'append-only file'),
  ]
  if (info.get('aof_last_write_status') === 'err' || info.get('rdb_last_bgsave_status') === 'err')
    findings.push(failed('disk', 'its last write to disk failed: it may refuse writes', 'look at its log and its disk'))
  const [used, max] = [Number(info.get('used_memory')), Number(info.get('maxmemory') ?? 0)]
  if (max > 0 && used > max * MEMORY_WARNING_SHARE)
    findings.push(warning('memory', `${Math.round((used / max) * 100)} % of maxmemory is used`, 'give it more memory'))
  return findings
}

async function commandFindings({ area }: RedisToExamine, client: Redis): Promise<Finding[]> {
  const { ok, failed } = findingsOf(area)
  if (area !== 'streams') return []
  const has = async (name: string) => {
    const answer = (await client.call('COMMAND', 'INFO', name).catch(() => [])) as unknown[]
    return answer[0] !== null && answer[0] !== undefined
  }
  const missing: string[] = []
  for (const name of NEEDED_COMMANDS) if (!(await has(name))) missing.push(name)
  if (missing.length > 0)
    return [failed('commands', `${missing.join(', ')} missing`, 'use Redis 6.2, Valkey, or newer')]
  return [ok('commands', (await has('XACKDEL')) ? 'XACKDEL is used' : 'no XACKDEL: scripts do its work')]
}
