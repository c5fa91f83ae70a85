import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

/** A part of a round: its error is a log line, and keeps no other part from its turn. */
export async function guarded(fields: object, logger: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    logger.warn({ err: toError(error), ...fields }, `upkeep failed: ${errorLine(error)}`)
  }
}
