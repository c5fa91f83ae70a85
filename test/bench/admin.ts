import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { request } from 'undici'
import { migrate, openDatabase } from '#database/database.ts'
import { type Child, startChild } from '#local/demo/children.ts'
import { startStack } from '#local/embedded-stack.ts'
import type { ConsumerContext } from '#promotion/consumers/consumer-registry.ts'
import { createInstanceReporter, type InstanceReporter } from '#promotion/consumers/instances.ts'
import { createLogger } from '#runtime/logger.ts'
import { hashPassword } from '#runtime/password.ts'

/**
 * What a look at a big installation costs: 50 promotions with 1,000,000 finished gifts, all IN_PROGRESS, four workers that
 * report themselves, and a board and a progress page polled as browsers do. The last line is JSON: medians, and how many
 * commands and statements a poll cost the servers.
 *
 * `npm run bench:admin -- --rows 1000000 --polls 40 --interval-ms 1000`
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    polls: { type: 'string', default: '40' },
    'interval-ms': { type: 'string', default: '1000' },
  },
})
const [ROWS, POLLS, POLL_INTERVAL_MS] = [values.rows, values.polls, values['interval-ms']].map(Number) as [
  number,
  number,
  number,
]
const PROMOTIONS = 50
const WORKERS = 4

const stack = await startStack({
  env: process.env,
  servers: ['postgres', 'redis'],
  onProgress: line => process.stderr.write(`${line}\n`),
})
const url = stack.env.DATABASE_URL as string
await migrate({ url, poolMax: 2, timeoutMs: 600_000 })
const database = await openDatabase({ url, poolMax: 2, timeoutMs: 600_000 })
/** What the workers say is their own cost, not the poll's. */
class ReportersRedis extends Redis {
  sent = 0

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    this.sent += 1
    return super.sendCommand(...args)
  }
}
const reportersRedis = new ReportersRedis(stack.env.REDIS_URL as string)
const reporters = Array.from({ length: WORKERS }, reporterOf)
const result: Record<string, Awaited<ReturnType<typeof measure>>> = {}
let admin: Child | undefined
try {
  await fill(database.kysely)
  await Promise.all(reporters.map(reporter => reporter.start()))
  const password = 'bench-password'
  admin = await startChild({
    kind: 'admin',
    name: 'admin',
    env: {
      PATH: process.env.PATH as string,
      ...stack.env,
      KAFKA_BROKERS: '127.0.0.1:9',
      ADMIN_USERS: `bench:operator:${await hashPassword(password)}`,
    },
    logFolder: '/tmp',
    keep: false,
  })
  const login = await request(`${admin.url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'bench', password }),
  })
  await login.body.dump()
  const cookie = String(login.headers['set-cookie']).split(';')[0] as string
  const key = encodeURIComponent('campaign-promotion-1:voucher:stream')
  for (const [name, path] of [
    ['board, overview', '/board/api/queues?page=1&jobsPerPage=10'],
    ['board, one queue', `/board/api/queues?activeQueue=${key}&page=1&jobsPerPage=10&status=completed`],
    ['board, latest', `/board/api/queues?activeQueue=${key}&page=1&jobsPerPage=10&status=latest`],
    ['progress page', '/'],
    ['promotion page', '/promotions/1'],
  ] as const) {
    const figures = await measure(`${admin.url}${path}`, cookie)
    process.stderr.write(`${name}: ${JSON.stringify(figures)}\n`)
    result[name] = figures
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
} finally {
  await admin?.stop()
  await Promise.all(reporters.map(reporter => reporter.stop()))
  reportersRedis.disconnect()
  await database.stop()
  await stack.close()
}

/** A live worker as the admin sees it: its record, with consumers of every promotion. */
function reporterOf(): InstanceReporter {
  const contexts = Array.from({ length: PROMOTIONS }, (_, index) => ({
    promotionId: String(index + 1),
    type: 'VOUCHER',
    worker: { concurrency: 20, inFlight: 20, isPaused: () => false },
  })) as unknown as ConsumerContext[]
  const breakerSince = new Date().toISOString()
  return createInstanceReporter({
    redis: reportersRedis,
    registry: { contexts },
    money: () => ({
      breaker: 'closed',
      breakerSince,
      credentialsRefused: false,
      credentialsRefusedSince: null,
      rateLimited: false,
    }),
    slotsMax: 1024,
    logger: createLogger('bench', 'silent'),
  })
}

async function fill(kysely: Kysely<unknown>): Promise<void> {
  const each = Math.floor(ROWS / PROMOTIONS)
  await sql`insert into campaign_promotion (id, type, status, name, total_count, started_at)
    select p, 'VOUCHER', 'IN_PROGRESS', 'promotion ' || p, ${each * 2}, now() from generate_series(1, ${PROMOTIONS}::int) p`.execute(
    kysely,
  )
  await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message, process_status, money_key, attempts, enqueued)
    select 1 + n % ${PROMOTIONS}, 1 + n % ${PROMOTIONS}, n, 'k', n, 100, '{"promotionId":"1","memberId":"' || n || '"}',
      case when n % 1000 = 0 then 'FAILED' when n % 1000 = 1 then 'UNKNOWN' else 'SUCCESS' end, 'tx-' || n, 1, true
    from generate_series(1, ${ROWS}::int) n`.execute(kysely)
  await sql`insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
    select promotion_id, promotion_id, count(*) filter (where process_status = 'SUCCESS'),
      count(*) filter (where process_status = 'FAILED')
    from campaign_promotion_voucher_result group by promotion_id`.execute(kysely)
  await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message)
    select p, p, 100000000 + p, 'k', 1, 100, '{}' from generate_series(1, ${PROMOTIONS}::int) p`.execute(kysely)
  await sql`vacuum analyze`.execute(kysely)
}

async function measure(address: string, cookie: string) {
  const redis = new Redis(stack.env.REDIS_URL as string)
  const look = async () => {
    const response = await request(address, { headers: { cookie } })
    if (response.statusCode !== 200) throw new Error(`${address}: ${response.statusCode} ${await response.body.text()}`)
    await response.body.dump()
  }
  await look()
  const before = await counted(redis)
  const times: number[] = []
  for (let poll = 0; poll < POLLS; poll++) {
    const startedAt = performance.now()
    await look()
    times.push(performance.now() - startedAt)
    await new Promise(resolve => setTimeout(resolve, POLL_INTERVAL_MS))
  }
  const after = await counted(redis)
  redis.disconnect()
  times.sort((one, other) => one - other)
  return {
    medianMs: round(times[Math.floor(POLLS / 2)] as number),
    worstMs: round(times.at(-1) as number),
    redisCommandsAPoll: round((after.commands - before.commands) / POLLS),
    sqlStatementsAPoll: round((after.statements - before.statements) / POLLS),
  }
}

/** Everything that the servers have done, commands inside scripts included; less what this look itself asks and workers report. */
async function counted(redis: Redis): Promise<{ commands: number; statements: number }> {
  const stats = await redis.info('commandstats')
  const commands = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
    .filter(([, name]) => name !== 'info')
    .reduce((sum, [, , calls]) => sum + Number(calls), -reportersRedis.sent)
  await sql`select pg_stat_force_next_flush()`.execute(database.kysely)
  const { rows } = await sql<{ count: number }>`select (xact_commit + xact_rollback)::float8 as count
    from pg_stat_database where datname = current_database()`.execute(database.kysely)
  return { commands, statements: rows[0]?.count ?? 0 }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
