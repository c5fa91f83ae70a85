import { streamSettingOf } from '#bin/connections.ts'
import { type OperationNeed, operationPartsOf, type Parts, partsOf } from '#bin/parts.ts'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { type CliConfig, cliSchema } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { createProcessRepository } from '#database/processes.ts'
import type { PromotionRepository } from '#database/promotions/promotions.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import { createPromotionDeadLetters, type PromotionDeadLetters } from '#promotion/dead-letters.ts'
import { createOperations, type Operations, type OperationsDeps } from '#promotion/operations.ts'
import { assertOwnRedis, type OwnedRedis } from '#promotion/redis-owner.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import type { Service } from '#runtime/service.ts'
import { type Change, withChange } from './change.ts'

/** As many as the check of UNKNOWN gifts asks at once. */
const MONEY_CONNECTIONS = 8

/** What a command works with. */
export interface CommandContext {
  config: CliConfig
  parts: Parts
  database: Database
  promotions: PromotionRepository
}

/** Runs a command on an open database, and closes it again. */
export async function withDatabase<T>(work: (context: CommandContext) => Promise<T>): Promise<T> {
  const config = loadConfig(cliSchema, processEnvironment())
  const logger = createLogger('cli', 'silent')
  const parts = await partsOf('cli', config, { logger, moneyConnections: MONEY_CONNECTIONS, tellsRefusals: false })
  const { database, promotions } = parts
  try {
    await database.start()
    return await work({ config, parts, database, promotions })
  } finally {
    await database.stop()
  }
}

/** Runs operations, with what they need of the servers that the settings name. */
export function withOperations<T>(
  needs: readonly OperationNeed[],
  work: (operations: Operations, context: CommandContext) => Promise<T>,
): Promise<T> {
  return withDatabase(async context => {
    await using stack = new AsyncDisposableStack()
    const operations = createOperations(await operationsDepsOf(context, needs, stack))
    return await work(operations, context)
  })
}

/** One change of one promotion, with its row in the activity log. */
export function runOperation<T>(
  needs: readonly OperationNeed[],
  change: Change,
  work: (operations: Operations, context: CommandContext) => Promise<T>,
): Promise<T> {
  return withOperations(needs, (operations, context) =>
    withChange(context.database.kysely, change, () => work(operations, context)),
  )
}

/** Opens what the dead letters of promotions lie on. */
export function withDeadLetters<T>(
  work: (deadLetters: PromotionDeadLetters, context: CommandContext) => Promise<T>,
): Promise<T> {
  return withDatabase(async context => {
    const { config, parts, promotions } = context
    if (config.REDIS_URL === undefined) throw new CodedError('CONFIG', 'REDIS_URL is not set')
    await using stack = new AsyncDisposableStack()
    await startNeeded(['stream'], { config, parts }, stack)
    const { connection } = parts.stream()
    return await work(createPromotionDeadLetters({ connection, streams: parts.streams, promotions }), context)
  })
}

/** Without Redis an operation does what the database alone allows; what is not asked for is not connected to. */
async function operationsDepsOf(
  { config, parts }: CommandContext,
  needs: readonly OperationNeed[],
  stack: AsyncDisposableStack,
): Promise<OperationsDeps> {
  const met = needs.filter(
    need => config.REDIS_URL !== undefined && (need !== 'money' || config.MONEY_API_URL !== undefined),
  )
  await startNeeded(met, { config, parts }, stack)
  if (config.KAFKA_BROKERS === undefined) return operationPartsOf(parts, met)
  const events = { provider: lazyProvider(parts, stack), startedTopic: config.KAFKA_TOPIC_STARTED }
  return operationPartsOf(parts, met, events)
}

async function startNeeded(
  needs: readonly OperationNeed[],
  { config, parts }: Pick<CommandContext, 'config' | 'parts'>,
  stack: AsyncDisposableStack,
): Promise<void> {
  const start = (service: Service) => stack.use(service).start()
  const owned: OwnedRedis[] = []
  if (needs.includes('stream')) {
    const { marks, service } = parts.stream()
    await start(service)
    owned.push({ variable: streamSettingOf(config), client: marks })
  }
  if (needs.includes('retry-jobs')) {
    const { client, service } = parts.redis()
    await start(service)
    owned.push({ variable: 'REDIS_URL', client })
    stack.use(parts.retryJobs())
  }
  const processes = createProcessRepository(parts.database.kysely)
  const owner = { processes, redis: owned, keyPrefix: config.REDIS_KEY_PREFIX }
  if (owned.length > 0) await assertOwnRedis(owner, await processes.identity())
  if (needs.includes('money')) for (const each of parts.money().services) await start(each)
}

/**
 * Connects when something is published: most operations publish nothing. A Kafka that is away takes nothing back: the
 * change stands in the database.
 */
function lazyProvider(parts: Parts, stack: AsyncDisposableStack): Pick<EventProviderService, 'publish'> {
  return {
    publish: async event => {
      try {
        const provider = stack.use(parts.events())
        await provider.start()
        await provider.publish(event)
      } catch (error) {
        process.stderr.write(
          `promostream: started event not published: ${errorLine(error)}; instances find the start by themselves, within two seconds\n`,
        )
      }
    },
  }
}
