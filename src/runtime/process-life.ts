import { CodedError, errorLine, toError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { Service } from './service.ts'
import { flushTracing } from './tracing.ts'
import { untilAborted } from './within.ts'

export interface ProcessLifeOptions {
  logger: Logger
  /** How long a clean stop may take, in ms. */
  shutdownTimeoutMs: number
}

/** So long after its deadline a stop is waited for, in ms. */
const STOP_GRACE_MS = 1000
/** Traces that a collector does not take in this time are given up, in ms. */
const FLUSH_LIMIT_MS = 1000

/** What a composition root hands its services. */
export interface ProcessLife {
  /** For a service that cannot recover: stops the others and ends the process with exit code 1. */
  fatal(error: Error): void
  /** Rejects until every service has started: the process is not ready before. */
  assertStarted(): void
}

/**
 * Runs services from start to exit: starts them in order, stops them in reverse order on SIGTERM or SIGINT.
 * Exit code 0 after a clean stop, 1 after a fatal error or a stop that missed its deadline.
 */
export async function runServices(
  assemble: (life: ProcessLife) => Promise<readonly Service[]> | readonly Service[],
  options: ProcessLifeOptions,
): Promise<void> {
  const { logger } = options
  const ending = Promise.withResolvers<Error | undefined>()
  const fatal = (error: Error) => {
    logger.fatal({ err: error }, `fatal: ${errorLine(error)}`)
    ending.resolve(error)
  }
  let isStarted = false
  const assertStarted = () => {
    if (!isStarted) throw new CodedError('NOT_STARTED', 'still starting')
  }
  listenForEnd(logger, ending.resolve, fatal)

  const started: Service[] = []
  let isEnding = false
  try {
    const hasEnded = ending.promise.then(() => true)
    for (const service of await assemble({ fatal, assertStarted })) {
      started.push(service)
      // A server that is away may keep a start waiting; a stop must not wait with it.
      isEnding = await Promise.race([service.start().then(() => false), hasEnded])
      if (isEnding) break
      logger.debug({ service: service.name }, 'service started')
    }
    if (!isEnding) {
      isStarted = true
      logger.info('started')
    }
  } catch (thrown) {
    fatal(toError(thrown))
  }
  const cause = await ending.promise
  const clean = await stopAll(started, options)
  process.exitCode = cause === undefined && clean ? 0 : 1
  await flushTracing(FLUSH_LIMIT_MS)
  logger.info({ exitCode: process.exitCode }, 'stopped')
  // What is still open after every service has stopped must not keep a supervisor waiting.
  setTimeout(() => process.exit(), 500).unref()
}

function listenForEnd(logger: Logger, end: (cause: undefined) => void, fatal: ProcessLife['fatal']): void {
  // A second signal changes nothing: npm hands on the Ctrl-C that the terminal sends as well. The deadline bounds the stop.
  const onSignal = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping')
    end(undefined)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  process.on('uncaughtException', fatal)
  process.on('unhandledRejection', reason => fatal(toError(reason)))
}

async function stopAll(services: readonly Service[], options: ProcessLifeOptions): Promise<boolean> {
  const deadline = AbortSignal.timeout(options.shutdownTimeoutMs)
  let clean = true
  const stopping = async () => {
    for (const service of services.toReversed()) {
      await service.stop(deadline).catch(thrown => {
        clean = false
        options.logger.error({ err: toError(thrown), service: service.name }, `stop failed: ${errorLine(thrown)}`)
      })
    }
    return clean
  }
  // Services get the deadline itself; the grace is for the last lines of one that heeds it.
  return untilAborted(stopping(), { signal: deadline, graceMs: STOP_GRACE_MS }, () => false)
}
