import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { migrate, openDatabase } from '#database/database.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { startStack } from '#local/embedded-stack.ts'
import { createLogger } from '#runtime/logger.ts'

/**
 * How long an audit of a finished promotion takes, and how much memory: fills rows, messages and a settlement, and runs
 * `promostream audit` as a user does. The last line is JSON. `node test/bench/audit.ts --rows 1000000`
 */
const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } })
const rows = Number(values.rows)
const say = (line: string) => process.stderr.write(`${line}\n`)

const PROMOTION = 42
const SUMMARIES = 1000
const PARTITIONS = 4
const TOPIC = 'prepay-campaign-promotion-voucher'
/** Beyond 2^53, where a number would round. */
const FIRST_TARGET = 9_007_199_254_740_993n
const BATCH = 4000

const targetOf = (index: number) => FIRST_TARGET + BigInt(index)
const memberOf = (index: number) => ((index * 7919) % 1_000_000) + 1
const amountOf = (index: number) => 100 + (index % 50) * 10
const isFailed = (index: number) => index % 1000 === 0

function messageOf(index: number): string {
  const member = memberOf(index)
  return `{"promotionId":${PROMOTION},"promotionSummaryId":${(index % SUMMARIES) + 1},"voucherTargetId":${targetOf(index)},"partitionKey":"member-${member}","memberId":${member},"amount":${amountOf(index)}}`
}

async function publish(kafka: KafkaClient): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  for (let from = 0; from < rows; from += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, rows - from) }, (_, at) => {
      const index = from + at
      return { partition: index % PARTITIONS, key: `member-${memberOf(index)}`, value: messageOf(index) }
    })
    await producer.send({ topic: TOPIC, acks: -1, messages })
  }
  await producer.disconnect()
}

async function fill(database: Awaited<ReturnType<typeof openDatabase>>): Promise<void> {
  const { kysely } = database
  await sql`insert into campaign_promotion (id, name, type, status, total_count)
    values (${PROMOTION}, 'bench', 'VOUCHER', 'COMPLETED', ${rows})`.execute(kysely)
  for (let from = 0; from < rows; from += BATCH * 25) {
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, process_status, money_key, attempts, message, enqueued, kafka_partition,
        kafka_offset)
      select ${PROMOTION}, i % ${SUMMARIES} + 1, ${String(FIRST_TARGET)}::bigint + i, 'member-' || m, m, 100 + i % 50 * 10,
        case when i % 1000 = 0 then 'FAILED' else 'SUCCESS' end,
        case when i % 1000 = 0 then null else 'tx-VOUCHER:' || (${String(FIRST_TARGET)}::bigint + i) || '-1' end, 1,
        format('{"promotionId":%s,"promotionSummaryId":%s,"voucherTargetId":%s,"partitionKey":"member-%s","memberId":%s,"amount":%s}',
          ${PROMOTION}::int, i % ${SUMMARIES} + 1, ${String(FIRST_TARGET)}::bigint + i, m, m, 100 + i % 50 * 10),
        true, i % ${PARTITIONS}, i / ${PARTITIONS}
      from (select i, i::bigint * 7919 % 1000000 + 1 as m
        from generate_series(${from}::int, ${Math.min(rows, from + BATCH * 25) - 1}::int) i) s`.execute(kysely)
  }
  await sql`insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
    select promotion_summary_id, ${PROMOTION}, count(*) filter (where process_status = 'SUCCESS'),
      count(*) filter (where process_status = 'FAILED')
    from campaign_promotion_voucher_result group by promotion_summary_id`.execute(kysely)
}

async function writeSettlement(path: string): Promise<void> {
  const file = await open(path, 'w')
  await file.write('key,transactionKey,amount\n')
  for (let from = 0; from < rows; from += BATCH) {
    let lines = ''
    for (let index = from; index < Math.min(rows, from + BATCH); index++)
      if (!isFailed(index)) lines += `VOUCHER:${targetOf(index)},tx-VOUCHER:${targetOf(index)}-1,${amountOf(index)}\n`
    await file.write(lines)
  }
  await file.close()
}

interface Run {
  seconds: number
  maxRssMb: number
  cpuSeconds: number
}

/** One audit in a process of its own; its peak is what the kernel says (VmHWM). */
async function measure(env: Record<string, string>, args: string[]): Promise<Run> {
  const startedAt = performance.now()
  const command = ['--disable-warning=TimeoutNegativeWarning', 'src/bin/cli.ts', 'audit', '--json', ...args]
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const seen = { maxRssKb: 0, cpuTicks: 0 }
  const watch = setInterval(() => look(child.pid ?? 0, seen), 50)
  let stdout = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  const code = await new Promise(resolve => child.once('close', resolve))
  clearInterval(watch)
  const report = JSON.parse(stdout) as Record<string, unknown>
  say(`audit ${args.join(' ')}: exit code ${code}, ${JSON.stringify({ ...report, discrepancies: undefined })}`)
  if (code !== 0 || report.rows !== rows || report.messages !== rows) throw new Error('the audit does not balance')
  return {
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    maxRssMb: Math.round(seen.maxRssKb / 1024),
    cpuSeconds: seen.cpuTicks / 100,
  }
}

function look(pid: number, seen: { maxRssKb: number; cpuTicks: number }): void {
  try {
    const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    seen.maxRssKb = Math.max(seen.maxRssKb, Number(peak?.[1] ?? 0))
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    seen.cpuTicks = Math.max(seen.cpuTicks, Number(fields[11]) + Number(fields[12]))
  } catch {
    // It has ended.
  }
}

const stack = await startStack({ env: process.env, onProgress: say })
try {
  const env = { PATH: process.env.PATH ?? '', ...stack.env }
  const databaseOptions = { url: stack.env.DATABASE_URL ?? '', poolMax: 2, timeoutMs: 600_000 }
  await migrate(databaseOptions)
  await using database = await openDatabase(databaseOptions)
  const brokers = (stack.env.KAFKA_BROKERS ?? '').split(',')
  const kafka = createKafka({ brokers, clientId: 'bench', ssl: false, logger: createLogger('bench', 'silent') })
  await ensureTopics(kafka, [TOPIC], PARTITIONS)
  say(`filling ${rows} rows, messages and charges …`)
  const settlement = join(stack.folder, 'settlement.csv')
  await fill(database)
  await publish(kafka)
  await writeSettlement(settlement)
  const withoutCharges = await measure(env, [])
  const withSettlement = await measure(env, ['--settlement', settlement])
  process.stdout.write(`${JSON.stringify({ rows, withoutCharges, withSettlement })}\n`)
} finally {
  await stack.close()
}
