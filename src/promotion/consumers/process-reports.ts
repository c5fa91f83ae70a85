import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { Cluster, type Redis } from 'ioredis'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'

/** What every process says of itself at `at`. Times are ISO 8601. */
export interface ProcessReport {
  /** `{host}-{pid}-{random}`: new at each start. */
  instance: string
  host: string
  pid: number
  startedAt: string
  at: string
}

/** `listener` stands in the index before a listener's name; a worker's name stands there alone, as it always did. */
export type ReportKind = 'worker' | 'listener'

const INDEX_KEY = 'promostream:instances'
const LISTENER = 'listener:'
const recordKey = (member: string) => `promostream:instance:${member}`
const INTERVAL_MS = 1000
/** Two reports that fail to come, and a process counts as gone: a page tells so within five seconds. */
const TTL_MS = 3500
/** Whoever has not reported for this long has no record any more, whatever the clocks of two machines say. */
const READ_WITHIN_MS = 60_000
/** Names of instances that died are forgotten after this long. */
const FORGET_AFTER_MS = 3_600_000
const FORGET_INTERVAL_MS = 60_000

export interface ProcessReports<Worker extends ProcessReport> {
  workers: Worker[]
  listeners: ProcessReport[]
  /** Of the last minute: one that reports has been there. Listeners of an older version do not report. */
  hadListener: boolean
}

/** The processes that have reported lately, in the order of their names. Two commands. */
export async function listReports<Worker extends ProcessReport>(
  redis: Redis | Cluster,
): Promise<ProcessReports<Worker>> {
  const members = await redis.zrangebyscore(INDEX_KEY, Date.now() - READ_WITHIN_MS, '+inf')
  const texts = await readAll(redis, members.map(recordKey))
  const reports: ProcessReports<Worker> = { workers: [], listeners: [], hadListener: false }
  for (const [index, member] of members.entries()) {
    const isListener = member.startsWith(LISTENER)
    if (isListener) reports.hadListener = true
    const text = texts[index]
    if (typeof text !== 'string') continue
    if (isListener) reports.listeners.push(JSON.parse(text) as ProcessReport)
    else reports.workers.push(JSON.parse(text) as Worker)
  }
  const byName = (one: ProcessReport, other: ProcessReport) => (one.instance < other.instance ? -1 : 1)
  reports.workers.sort(byName)
  reports.listeners.sort(byName)
  return reports
}

/** A cluster's keys lie on different nodes. */
function readAll(redis: Redis | Cluster, keys: string[]): Promise<(string | null)[]> {
  if (redis instanceof Cluster) return Promise.all(keys.map(key => redis.get(key)))
  return keys.length === 0 ? Promise.resolve([]) : redis.mget(keys)
}

export interface ProcessReporterOptions {
  redis: Redis | Cluster
  kind: ReportKind
  /** What this process says beyond who it is. */
  describe?(): object
  logger: Logger
}

/** Every second this process says what it does; what it said expires by itself when it dies. */
export function createProcessReporter(options: ProcessReporterOptions): Service & { readonly instance: string } {
  const { redis, kind, logger } = options
  const instance = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
  const member = kind === 'listener' ? `${LISTENER}${instance}` : instance
  const fixed = { instance, host: hostname(), pid: process.pid, startedAt: new Date().toISOString() }
  let forgottenAtMs = Number.NEGATIVE_INFINITY
  const forget = async (nowMs: number) => {
    if (performance.now() - forgottenAtMs < FORGET_INTERVAL_MS) return
    forgottenAtMs = performance.now()
    await redis.zremrangebyscore(INDEX_KEY, '-inf', String(nowMs - FORGET_AFTER_MS))
  }
  const report = async () => {
    const nowMs = Date.now()
    const text = JSON.stringify({ ...fixed, at: new Date(nowMs).toISOString(), ...options.describe?.() })
    await Promise.all([
      redis.set(recordKey(member), text, 'PX', TTL_MS),
      redis.zadd(INDEX_KEY, nowMs, member),
      forget(nowMs),
    ])
  }
  const warn = (error: unknown) =>
    logger.debug({ err: toError(error) }, `this instance could not report itself: ${errorLine(error)}`)
  let timer: NodeJS.Timeout | undefined
  const life = service('instance-report', {
    start: async () => {
      await report().catch(warn)
      timer = setInterval(() => void report().catch(warn), INTERVAL_MS)
    },
    stop: async () => {
      clearInterval(timer)
      // A listener's name stays for its minute: that the last one has ended is what a page has to tell.
      const named = kind === 'listener' ? [] : [redis.zrem(INDEX_KEY, member)]
      await Promise.all([redis.del(recordKey(member)), ...named]).catch(warn)
    },
  })
  return { ...life, instance }
}
