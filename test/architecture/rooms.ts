/** Where a file may live and what it may know. A file imports from its own room, and from the rooms named here. */
export interface Room {
  /** From the root of the repository; a room within a room is named by itself. */
  folder: string
  /** 5 the processes … 1 what knows only the contracts, 0. Rooms import downwards only, never a neighbour. */
  floor: 0 | 1 | 2 | 3 | 4 | 5
  /** What it is, in a few words. */
  is: string
  /** Folders of other rooms. */
  mayImport: readonly string[]
  /** The only files that other rooms may import; all of them where it is left out. */
  doors?: readonly string[]
  /** npm packages that it runs; whatever is not named is refused. */
  packages?: readonly string[]
  /** npm packages of which it only knows types: it is handed the object and passes it on. */
  packageTypes?: readonly string[]
}

const GROUND = ['queues', 'src/config', 'src/runtime']
const SERVERS = ['src/database', 'src/kafka', 'src/money', 'src/stream']

/** THE table. ARCHITECTURE.md shows it, `rooms.test.ts` holds it. */
export const ROOMS: readonly Room[] = [
  {
    folder: 'src/bin',
    floor: 5,
    is: 'the processes and the CLI: parts from settings, put together',
    mayImport: [...GROUND, ...SERVERS, 'src/promotion', 'src/listeners', 'workers', 'src/admin', 'src/bin/doctor'],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/context-async-hooks',
      '@opentelemetry/core',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace',
      'cli-progress',
      'commander',
      'csv-parse',
      'zod',
    ],
    packageTypes: ['fastify', 'ioredis', 'kysely'],
  },
  {
    folder: 'src/bin/doctor',
    floor: 5,
    is: 'asks each server what is wrong with it, by the shortest way',
    mayImport: ['src/config', 'src/runtime', 'src/database', 'src/kafka', 'src/money', 'src/promotion', 'src/bin'],
    packages: ['ioredis', 'pg', 'undici', 'zod'],
  },
  {
    folder: 'src/local',
    floor: 5,
    is: 'demo and embedded stack, for development: nothing of production imports it',
    mayImport: [...GROUND, 'src/database', 'src/kafka', 'src/promotion', 'src/local/money-api', 'src/local/servers'],
    packages: ['commander', 'kysely', 'undici'],
  },
  {
    folder: 'src/listeners',
    floor: 4,
    is: 'what is done with each Kafka topic’s batches',
    mayImport: ['queues', 'src/runtime', 'src/kafka', 'src/promotion'],
    packages: ['zod'],
  },
  {
    folder: 'workers',
    floor: 4,
    is: 'one file a queue’s handler',
    mayImport: ['queues', 'src/runtime', 'src/promotion'],
    packages: ['bullmq'],
  },
  {
    folder: 'src/admin',
    floor: 4,
    is: 'board, pages, API, hook',
    mayImport: [...GROUND, 'src/database', 'src/kafka', 'src/bull-board', 'src/promotion'],
    packages: [
      '@bull-board/api',
      '@bull-board/fastify',
      '@fastify/csrf-protection',
      '@fastify/formbody',
      '@fastify/helmet',
      '@fastify/rate-limit',
      '@fastify/secure-session',
      '@fastify/swagger',
      '@fastify/swagger-ui',
      'bullmq',
      'fastify',
      'fastify-type-provider-zod',
      'ghtml',
      'ip-address',
      'lru-cache',
      'rate-limiter-flexible',
      'uplot',
      'zod',
    ],
    packageTypes: ['ioredis', 'kysely'],
  },
  {
    folder: 'src/promotion',
    floor: 3,
    is: 'the domain, by the life of a gift: intake, payment, consumers, upkeep, audit',
    mayImport: ['queues', 'src/runtime', ...SERVERS],
    packages: ['bullmq', 'ioredis', 'lru-cache', 'zod'],
    packageTypes: ['kysely'],
  },
  {
    folder: 'src/bull-board',
    floor: 3,
    is: 'any queue of the framework on a Bull-Board',
    mayImport: ['src/stream'],
    doors: ['src/bull-board/index.ts'],
    packages: ['@bull-board/api'],
  },
  {
    folder: 'src/stream',
    floor: 2,
    is: 'the queue and worker framework; has never heard of promotions',
    mayImport: ['src/runtime'],
    doors: ['src/stream/index.ts'],
    packages: ['cluster-key-slot', 'ioredis', 'rate-limiter-flexible'],
  },
  {
    folder: 'src/database',
    floor: 2,
    is: 'schema and statements; the only one that writes SQL',
    mayImport: GROUND,
    packages: ['@mikro-orm/core', '@mikro-orm/migrations', '@mikro-orm/postgresql', 'kysely', 'pg'],
  },
  {
    folder: 'src/kafka',
    floor: 2,
    is: 'consumer loop and producer; the only one that knows kafkajs',
    mayImport: ['src/runtime'],
    packages: ['kafkajs', 'lz4-napi', 'snappy'],
  },
  {
    folder: 'src/money',
    floor: 2,
    is: 'the Money API’s client, what its answers mean, the gate before it',
    mayImport: ['src/runtime'],
    packages: ['cockatiel', 'rate-limiter-flexible', 'undici'],
    packageTypes: ['ioredis'],
  },
  {
    folder: 'src/local/money-api',
    floor: 2,
    is: 'the Money API simulator and its ledger',
    mayImport: ['queues', 'src/local/servers'],
  },
  {
    folder: 'src/config',
    floor: 1,
    is: 'the settings; the only reader of the environment',
    mayImport: ['queues'],
    packages: ['fastest-levenshtein', 'pg-connection-string', 'zod'],
  },
  {
    folder: 'src/runtime',
    floor: 1,
    is: 'life of a process, logs, metrics, batches; knows nothing of ours',
    mayImport: [],
    packages: [
      '@opentelemetry/api',
      '@prometheus-io/client',
      'cli-progress',
      'cockatiel',
      'fastify',
      'ioredis',
      'pino',
    ],
  },
  {
    folder: 'src/local/servers',
    floor: 1,
    is: 'embedded PostgreSQL, Redis and Kafka, each a process',
    mayImport: [],
  },
  {
    folder: 'queues',
    floor: 0,
    is: 'the contracts: the table of gift types, names, schemas, options; no handlers',
    mayImport: [],
    packages: ['zod'],
  },
]

/** How big things may be, in lines; a folder of the domain is seen at one glance. */
export const SIZES = {
  file: { median: 100, max: 300 },
  function: { median: 7, p90: 20, max: 60 },
  filesPerFolder: { within: 'src/promotion', max: 12 },
}
