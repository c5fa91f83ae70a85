import type { z } from 'zod'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { describeUnknownName, findUnknownNames } from '#config/unknown-names.ts'
import { errorLine } from '#runtime/errors.ts'
import { createLogger, type Logger } from '#runtime/logger.ts'
import { type ProcessLife, runServices } from '#runtime/process-life.ts'
import type { Service } from '#runtime/service.ts'

type LifeSettings = { LOG_LEVEL: string; SHUTDOWN_TIMEOUT_MS: number }

/** One process: its settings, its services, its exit code. A wrong setting is one line on stderr and exit 1. */
export async function runProcess<Schema extends z.ZodObject>(
  name: string,
  schema: Schema,
  assemble: (
    config: z.infer<Schema> & LifeSettings,
    context: ProcessLife & { logger: Logger },
  ) => Promise<readonly Service[]>,
): Promise<void> {
  refuseTestVariables(name)
  let config: z.infer<Schema> & LifeSettings
  try {
    config = loadConfig(schema, processEnvironment()) as typeof config
  } catch (error) {
    process.stderr.write(`promostream ${name}: ${errorLine(error)}\n`)
    process.exit(1)
  }
  const logger = createLogger(name, config.LOG_LEVEL)
  for (const unknown of findUnknownNames(processEnvironment())) logger.warn(unknown, describeUnknownName(unknown))
  await runServices(life => assemble(config, { ...life, logger }), {
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
  })
}

/** A process that pays people has neither crashes to come nor bugs planted in it: the test build takes these away first. */
const TEST_VARIABLES = ['PROMOSTREAM_CRASH_AT', 'PROMOSTREAM_PLANT']

function refuseTestVariables(name: string): void {
  const found = TEST_VARIABLES.find(variable => processEnvironment()[variable] !== undefined)
  if (found === undefined) return
  process.stderr.write(`promostream ${name}: ${found} is for tests, and must not be set\n`)
  process.exit(1)
}
