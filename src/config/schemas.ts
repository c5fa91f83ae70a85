import { z } from 'zod'
import {
  adminUsers,
  amountOrNone,
  basePath,
  baseUrl,
  brokers,
  countOrNone,
  databaseUrl,
  durationMs,
  durationMsOrNone,
  ed25519PrivateKey,
  flag,
  headerToken,
  host,
  integer,
  isLoopback,
  keyPrefix,
  networks,
  port,
  share,
  text,
  topicName,
  url,
} from './fields.ts'
import { giftTopicFields } from './gift-topics.ts'
import { checkTlsFiles } from './tls-files.ts'

/** Every variable of the contract, by concern; a process's schema is the union of the concerns it needs. */

const database = z.object({
  DATABASE_URL: databaseUrl,
  DATABASE_URL_FILE: text.optional(),
  DATABASE_POOL_MAX: integer(1, 1000).prefault('10'),
  DATABASE_TIMEOUT_MS: durationMs.prefault('5000'),
})

const redis = z.object({
  REDIS_URL: url('redis', 'rediss'),
  REDIS_URL_FILE: text.optional(),
  REDIS_STREAM_URL: url('redis', 'rediss').optional(),
  REDIS_STREAM_URL_FILE: text.optional(),
  REDIS_CA_FILE: text.optional(),
  REDIS_CERT_FILE: text.optional(),
  REDIS_KEY_FILE: text.optional(),
  REDIS_CLUSTER: flag.prefault('false'),
  REDIS_KEY_PREFIX: keyPrefix.prefault(''),
})

const stream = z.object({
  REDIS_STREAM_ENABLED: flag.prefault('true'),
  REDIS_STREAM_MAX_LEN: integer(10, 1_000_000_000).prefault('1000000'),
  REDIS_STREAM_READ_COUNT: integer(1, 100_000).prefault('500'),
  REDIS_STREAM_POLL_INTERVAL_MS: integer(1, 60_000).prefault('50'),
  REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: integer(1, 100_000).prefault('512'),
  WORKER_MAX_IN_FLIGHT: integer(1, 100_000).prefault('1024'),
  WORKER_SLOTS_BY_DEADLINE: flag.prefault('false'),
  REDIS_STREAM_CLAIM_MIN_IDLE_MS: durationMs.prefault('60000'),
  REDIS_STREAM_MAX_DELIVERIES: integer(1, 1_000_000).prefault('5'),
  REDIS_STREAM_MAX_DEAD_LETTERS: integer(1, 10_000_000).prefault('100000'),
  REDIS_STREAM_MAX_DEAD_LETTER_AGE_DAYS: integer(1, 3650).prefault('90'),
})

const kafka = z.object({
  KAFKA_BROKERS: brokers,
  KAFKA_CLIENT_ID: text.prefault('promostream'),
  KAFKA_GROUP_ID: text.prefault('promostream'),
  KAFKA_SSL: flag.prefault('false'),
  KAFKA_CA_FILE: text.optional(),
  KAFKA_CERT_FILE: text.optional(),
  KAFKA_KEY_FILE: text.optional(),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'must be plain, scram-sha-256 or scram-sha-512')
    .optional(),
  KAFKA_SASL_USERNAME: text.optional(),
  KAFKA_SASL_PASSWORD: text.optional(),
  KAFKA_SASL_PASSWORD_FILE: text.optional(),
  KAFKA_TOPIC_STARTED: topicName.prefault('prepay-campaign-promotion-started'),
  ...giftTopicFields,
  KAFKA_TOPIC_INVALID: topicName.prefault('prepay-campaign-promotion-invalid'),
  KAFKA_TOPIC_COMPLETED: topicName.prefault('prepay-campaign-promotion-completed'),
  KAFKA_TOPIC_PARTITIONS: integer(1, 10_000).prefault('4'),
})

const money = z.object({
  MONEY_API_URL: baseUrl,
  MONEY_API_TOKEN: headerToken.optional(),
  MONEY_API_TOKEN_FILE: text.optional(),
  MONEY_API_CA_FILE: text.optional(),
  MONEY_API_CERT_FILE: text.optional(),
  MONEY_API_KEY_FILE: text.optional(),
  MONEY_API_TIMEOUT_MS: durationMs.prefault('3000'),
  MONEY_API_RATE_LIMIT: countOrNone.prefault('0'),
  MONEY_API_ADAPTIVE: flag.prefault('false'),
  MONEY_API_KEY_TTL_MS: integer(1, Number.MAX_SAFE_INTEGER).prefault('86400000'),
})

const recovery = z.object({
  RETRY_MAX_ATTEMPTS: integer(1, 1000).prefault('8'),
  RETRY_BACKOFF_BASE_MS: durationMs.prefault('1000'),
  RETRY_BACKOFF_MAX_MS: durationMs.prefault('300000'),
  SWEEP_AGE_MS: durationMs.prefault('120000'),
  SWEEP_INTERVAL_MS: durationMs.prefault('30000'),
  COMPLETION_QUIET_MS: durationMsOrNone.prefault('5000'),
})

/** What a gift may be, whoever sends it, and when a promotion pauses by itself. */
const guards = z.object({
  GIFT_MAX_AMOUNT: amountOrNone.prefault('0'),
  PROMOTION_MAX_FAILED_SHARE: share.prefault('0.5'),
  PROMOTION_CANARY_GIFTS: integer(0, 10_000).prefault('0'),
})

const life = z.object({
  SHUTDOWN_TIMEOUT_MS: durationMs.prefault('10000'),
  LOOP_STALL_TIMEOUT_MS: durationMsOrNone.prefault('120000'),
  EVENT_LOOP_DELAY_MAX_MS: durationMsOrNone.prefault('1000'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'must be one of pino’s levels')
    .prefault('info'),
})

/** Four rounds of upkeep hold one each for their lock while they work on another, and three refills one each. */
const WORKER_POOL_MIN = 8

type Settings = Partial<z.infer<typeof everything>>

function checkTls(settings: Settings, complain: (name: string, message: string) => void): void {
  const { MONEY_API_URL: moneyUrl, KAFKA_SSL: kafkaSsl, REDIS_URL: redisUrl, REDIS_STREAM_URL: streamUrl } = settings
  const isMoneyInClear = moneyUrl?.startsWith('http:') === true
  checkTlsFiles('MONEY_API', settings, isMoneyInClear ? 'MONEY_API_URL begins with http://' : undefined, complain)
  checkTlsFiles('KAFKA', settings, kafkaSsl === false ? 'KAFKA_SSL is not true' : undefined, complain)
  const isRedisInClear = redisUrl !== undefined && ![redisUrl, streamUrl].some(url => url?.startsWith('rediss:'))
  checkTlsFiles('REDIS', settings, isRedisInClear ? 'no URL of a Redis begins with rediss://' : undefined, complain)
}

/** What only makes sense together. Issues name the variable to change. */
function withCrossChecks<Schema extends z.ZodObject>(schema: Schema) {
  return schema.superRefine((value, context) => {
    const complain = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message })
    const settings = value as Settings
    const { KAFKA_SASL_MECHANISM: mechanism, REDIS_STREAM_CLAIM_MIN_IDLE_MS: minIdleMs } = settings
    if (mechanism !== undefined && settings.KAFKA_SASL_USERNAME === undefined) {
      complain('KAFKA_SASL_USERNAME', 'is not set, but KAFKA_SASL_MECHANISM is')
    }
    if (mechanism !== undefined && settings.KAFKA_SASL_PASSWORD === undefined) {
      complain('KAFKA_SASL_PASSWORD', 'is not set, but KAFKA_SASL_MECHANISM is')
    }
    checkTls(settings, complain)
    if ('LISTENER_PORT' in value && settings.REDIS_STREAM_ENABLED === false && settings.MONEY_API_URL === undefined) {
      complain('MONEY_API_URL', 'is not set, but REDIS_STREAM_ENABLED is false: the listener pays by itself')
    }
    const longestHandlerMs = (settings.MONEY_API_TIMEOUT_MS ?? 0) + (settings.DATABASE_TIMEOUT_MS ?? 0)
    if (minIdleMs !== undefined && minIdleMs < 2 * longestHandlerMs) {
      complain(
        'REDIS_STREAM_CLAIM_MIN_IDLE_MS',
        `must be at least 2 × (MONEY_API_TIMEOUT_MS + DATABASE_TIMEOUT_MS) = ${2 * longestHandlerMs}: a live worker's entry would be taken from it`,
      )
    }
  })
}

const everything = z.object({
  ...database.shape,
  ...redis.shape,
  ...stream.shape,
  ...kafka.shape,
  ...money.shape,
  ...recovery.shape,
  ...guards.shape,
  ...life.shape,
})

const probeHost = { PROBE_HOST: host.prefault('0.0.0.0') }

export const listenerSchema = withCrossChecks(
  everything.extend({
    ...probeHost,
    LISTENER_PORT: port.prefault('3001'),
    MONEY_API_URL: money.shape.MONEY_API_URL.optional(),
  }),
)
export const workerSchema = withCrossChecks(
  everything.extend({
    ...probeHost,
    WORKER_PORT: port.prefault('3002'),
    SEAL_PRIVATE_KEY: ed25519PrivateKey.optional(),
    SEAL_PRIVATE_KEY_FILE: text.optional(),
  }),
).superRefine(({ DATABASE_POOL_MAX: poolMax }, context) => {
  if (poolMax >= WORKER_POOL_MIN) return
  context.addIssue({
    code: 'custom',
    path: ['DATABASE_POOL_MAX'],
    message: `must be at least ${WORKER_POOL_MIN} for a worker: upkeep would wait for itself`,
  })
})
export const adminSchema = withCrossChecks(
  everything.extend({
    MONEY_API_URL: money.shape.MONEY_API_URL.optional(),
    ADMIN_HOST: host.prefault('127.0.0.1'),
    ADMIN_PORT: port.prefault('3000'),
    ADMIN_USERS: adminUsers.optional(),
    ADMIN_USERS_FILE: text.optional(),
    ADMIN_HOOK_SECRET: text.optional(),
    ADMIN_HOOK_SECRET_FILE: text.optional(),
    ADMIN_SESSION_SECRET: z.string().min(32, 'must have 32 characters or more').optional(),
    ADMIN_SESSION_SECRET_FILE: text.optional(),
    ADMIN_TRUSTED_PROXIES: networks.optional(),
    ADMIN_BASE_PATH: basePath.prefault('/'),
    ADMIN_MEMBER_IDS_MASKED: flag.prefault('false'),
  }),
).superRefine(({ ADMIN_HOST: adminHost, ADMIN_USERS: users }, context) => {
  if (isLoopback(adminHost) || users !== undefined) return
  context.addIssue({
    code: 'custom',
    path: ['ADMIN_USERS'],
    message: 'is not set, but ADMIN_HOST is not a loopback address: anybody could reach it',
  })
})
export const migrateSchema = z.object({ ...database.shape, ...life.shape })
/** A command says itself what is missing for what it was asked. */
export const cliSchema = withCrossChecks(
  z.object({
    ...database.shape,
    ...redis.partial({ REDIS_URL: true }).shape,
    REDIS_STREAM_MAX_LEN: stream.shape.REDIS_STREAM_MAX_LEN,
    ...kafka.partial({ KAFKA_BROKERS: true }).shape,
    ...money.partial({ MONEY_API_URL: true }).shape,
    RETRY_MAX_ATTEMPTS: recovery.shape.RETRY_MAX_ATTEMPTS,
    RETRY_BACKOFF_BASE_MS: recovery.shape.RETRY_BACKOFF_BASE_MS,
    RETRY_BACKOFF_MAX_MS: recovery.shape.RETRY_BACKOFF_MAX_MS,
    SWEEP_AGE_MS: recovery.shape.SWEEP_AGE_MS,
    ...guards.shape,
    ...life.shape,
  }),
)

/** `publish` needs Kafka, and the database only to look at the promotions. */
export const publishSchema = withCrossChecks(
  z.object({
    ...database.partial({ DATABASE_URL: true }).shape,
    ...kafka.partial({ KAFKA_BROKERS: true }).shape,
    ...life.shape,
  }),
)

/** Commands that need nothing but the Redis of all instances. */
export const redisCliSchema = z.object({
  REDIS_URL: redis.shape.REDIS_URL,
  REDIS_URL_FILE: redis.shape.REDIS_URL_FILE,
  REDIS_CA_FILE: redis.shape.REDIS_CA_FILE,
  REDIS_CERT_FILE: redis.shape.REDIS_CERT_FILE,
  REDIS_KEY_FILE: redis.shape.REDIS_KEY_FILE,
  REDIS_CLUSTER: redis.shape.REDIS_CLUSTER,
  REDIS_KEY_PREFIX: redis.shape.REDIS_KEY_PREFIX,
  ...life.shape,
})

/** What decides which keys a user of Redis may touch. */
export const rightsSchema = z.object({
  REDIS_CLUSTER: redis.shape.REDIS_CLUSTER,
  REDIS_KEY_PREFIX: redis.shape.REDIS_KEY_PREFIX,
})

export type ListenerConfig = Readonly<z.infer<typeof listenerSchema>>
export type WorkerConfig = Readonly<z.infer<typeof workerSchema>>

export type AdminConfig = Readonly<z.infer<typeof adminSchema>>
export type CliConfig = Readonly<z.infer<typeof cliSchema>>
export type PublishConfig = Readonly<z.infer<typeof publishSchema>>
export type RedisConfig = Readonly<z.infer<typeof redis>>
export type KafkaConfig = Readonly<z.infer<typeof kafka>>
export type DatabaseConfig = Readonly<z.infer<typeof database>>

/** What speaks to one server, for whoever looks at one alone. */
export const areaSchemas = { database, redis, kafka, money }

/** Every variable that any process reads. */
export const SETTING_NAMES: readonly string[] = [
  ...new Set([listenerSchema, workerSchema, adminSchema, cliSchema].flatMap(schema => Object.keys(schema.shape))),
]
