import { type ConnectionOptions, DelayedError, type Job, type Processor, UnrecoverableError, Worker } from 'bullmq'
import type { RetryPolicy } from '#promotion/payment/retry-jobs.ts'
import type { RetryOutcome } from '#promotion/payment/retry-processor.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { RETRY_QUEUE_NAME, type RetryJobData, retryDelayMs, retryJobData } from '#queues/retry.queue.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { BULL_BLOCK_SECONDS } from '#runtime/redis.ts'
import { type Service, service } from '#runtime/service.ts'
import { withSpan } from '#runtime/tracing.ts'
import { untilAborted } from '#runtime/within.ts'

export interface RetryWorkerOptions {
  connection: ConnectionOptions
  prefix: string
  policy: RetryPolicy
  processors: Readonly<
    Record<PromotionType, { process(targetId: string, signal?: AbortSignal): Promise<RetryOutcome> }>
  >
  logger: Logger
}

/** Retries at once in one process. */
const CONCURRENCY = 128
/** Pause of a job whose time has not come (calls are blocked, database away), in ms. */
const NOT_NOW_DELAY_MS = 2000

/** After the deadline, for calls that were given up to be noted in Redis, in ms. */
const CLOSE_GRACE_MS = 500

/** It stays in Redis with the job. */
const MAX_REASON_LENGTH = 100
const short = (reason: string) => reason.slice(0, MAX_REASON_LENGTH).toWellFormed()

/** Its connection blocks no longer than a silent server is waited for, also when the next job is due much later. */
class WatchedWorker extends Worker<RetryJobData> {
  override get maximumBlockTimeout(): number {
    return BULL_BLOCK_SECONDS
  }
}

/** The next attempt is due later; BullMQ's back-off reads how much. */
class RetryLaterError extends Error {
  readonly retryAfterMs: number

  constructor(reason: string, retryAfterMs: number) {
    super(reason)
    this.retryAfterMs = retryAfterMs
  }
}

/** Before a job's next attempt, in ms. */
function pauseAfter(attemptsMade: number, error: unknown, policy: RetryPolicy): number {
  return Math.max(retryDelayMs(attemptsMade + 1, policy), error instanceof RetryLaterError ? error.retryAfterMs : 0)
}

export interface RetryWorker extends Service {
  /** With true no job is begun: the Money API is not to be called. */
  setBlocked(isBlocked: boolean): void
  /** Since its loop last came round, in ms; 0 while it is paused. */
  readonly ageMs: number
}

/**
 * BullMQ tells nobody when its loop comes round to an empty queue: the two questions that it asks Redis for a job, the
 * waiting and the fetching, are listened to.
 */
function onEachTurn(worker: object, onTurn: () => void): void {
  type Asking = Record<'waitForJob' | 'moveToActive', (...args: unknown[]) => Promise<unknown>>
  const { backend } = worker as { backend: Asking }
  for (const name of ['waitForJob', 'moveToActive'] as const) {
    const ask = backend[name].bind(backend)
    backend[name] = async (...args) => {
      const answer = await ask(...args)
      onTurn()
      return answer
    }
  }
}

/** One job, whose outcome BullMQ is told as it has to be: by an error, but for what is done. */
async function handle(
  { processors, logger }: RetryWorkerOptions,
  job: Job<RetryJobData>,
  { token, signal }: { token: string | undefined; signal: AbortSignal },
): Promise<void> {
  const parsed = retryJobData.safeParse(job.data)
  if (!parsed.success) throw new UnrecoverableError(short(`unreadable job: ${parsed.error.issues[0]?.message}`))
  const { type, targetId, traceparent } = parsed.data
  // One trace a gift; the link names the attempt that is repeated.
  const span = { kind: 'consumer', parent: traceparent, links: [traceparent] } as const
  const attempt = () => processors[type].process(targetId, signal)
  const outcome = await withSpan('gift retry', span, attempt).catch(thrown => {
    logger.warn({ err: toError(thrown), jobId: job.id }, `retry postponed: ${errorLine(thrown)}`)
    return { kind: 'not-now', reason: errorLine(thrown) } as const
  })
  switch (outcome.kind) {
    case 'done':
    // Its row stays RETRYING: upkeep creates a job for it again when the promotion goes on.
    case 'not-running':
      return
    case 'later':
      throw new RetryLaterError(short(outcome.reason), outcome.retryAfterMs ?? 0)
    case 'not-now':
      // No attempt was made, none is counted.
      await job.moveToDelayed(Date.now() + NOT_NOW_DELAY_MS * (1 + Math.random()), token)
      throw new DelayedError(outcome.reason)
    case 'exhausted':
      throw new UnrecoverableError(short(outcome.reason))
  }
}

/** The handler of `queues/retry.queue.ts`. At least once: a job that ran twice repeats a call with the same key. */
export function createRetryWorker(options: RetryWorkerOptions): RetryWorker {
  const { connection, prefix, policy, logger } = options
  const abort = new AbortController()
  let worker: Worker<RetryJobData> | undefined
  let isBlocked = false
  let turnedAtMs = performance.now()
  const turned = () => {
    turnedAtMs = performance.now()
  }
  const follow = () => {
    if (isBlocked) void worker?.pause(true)
    else worker?.resume()
  }
  const life = service('retry-worker', {
    start: async () => {
      const run: Processor<RetryJobData> = (job, token) => handle(options, job, { token, signal: abort.signal })
      worker = new WatchedWorker(RETRY_QUEUE_NAME, run, {
        drainDelay: BULL_BLOCK_SECONDS,
        connection,
        prefix,
        concurrency: CONCURRENCY,
        settings: { backoffStrategy: (attemptsMade, _type, error) => pauseAfter(attemptsMade, error, policy) },
      })
      turned()
      onEachTurn(worker, turned)
      for (const event of ['active', 'completed', 'failed', 'resumed'] as const) worker.on(event, turned)
      worker.on('error', error => logger.debug({ err: error }, `retry worker: ${errorLine(error)}`))
      await worker.waitUntilReady()
      follow()
    },
    stop: async deadline => {
      const giveUp = () => abort.abort()
      deadline?.addEventListener('abort', giveUp, { once: true })
      // What BullMQ still waits for then comes with a Redis that is away: the job is stalled, and another worker's later.
      await untilAborted(
        worker?.close() ?? Promise.resolve(),
        { signal: deadline, graceMs: CLOSE_GRACE_MS },
        () => undefined,
      )
    },
  })
  return {
    ...life,
    get ageMs() {
      return isBlocked || worker === undefined ? 0 : performance.now() - turnedAtMs
    },
    setBlocked: shouldBlock => {
      isBlocked = shouldBlock
      follow()
    },
  }
}
