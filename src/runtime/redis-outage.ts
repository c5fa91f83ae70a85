import type { Cluster, Redis } from 'ioredis'
import { errorLine } from './errors.ts'
import type { LineLogger } from './line-logger.ts'

const REPEAT_MS = 60_000

/**
 * Tells an outage once when it begins, at most once a minute while it lasts, and when it is over. `setting` is the name
 * of what the URL came from; nothing of the URL itself is logged.
 */
export function logOutages(client: Redis | Cluster, setting: string, logger: LineLogger): void {
  let reason = ''
  let awaySince: Date | undefined
  let saidAtMs = Number.NEGATIVE_INFINITY
  let hasBeenReady = false
  const say = (text: string) => {
    if (performance.now() - saidAtMs < REPEAT_MS) return
    saidAtMs = performance.now()
    logger.warn({ setting, reason }, text)
  }
  const onError = (error: Error) => {
    reason = errorLine(error)
    logger.debug({ err: error, setting }, `redis: ${reason}`)
  }
  client.on('error', onError)
  ;(client as Cluster).on('node error', error => {
    onError(error)
    if (client.status === 'ready') say(`Redis (${setting}): a node of the cluster is away: ${reason}`)
  })
  client.on('ready', () => {
    hasBeenReady = true
    if (awaySince === undefined) return
    const awayMs = Date.now() - awaySince.getTime()
    logger.info({ setting, awayMs }, `Redis (${setting}) is back after ${Math.ceil(awayMs / 1000)} s`)
    awaySince = undefined
    saidAtMs = Number.NEGATIVE_INFINITY
  })
  // Not told of a client that was closed, or has never been there: the start says so.
  client.on('reconnecting', () => {
    if (!hasBeenReady) return
    awaySince ??= new Date()
    say(`Redis (${setting}) is away since ${awaySince.toISOString()}${reason === '' ? '' : `: ${reason}`}`)
  })
}
