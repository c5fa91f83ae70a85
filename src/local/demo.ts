import '#runtime/node-version.cjs'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { migrate, openDatabase } from '#database/database.ts'
import { createKafka } from '#kafka/client.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { countRecords, ensureTopics } from '#kafka/topics.ts'
import { describeAccount, isBalanced } from '#local/demo/account.ts'
import { describeAdmin } from '#local/demo/look-around.ts'
import { type DemoResult, runDemo, stopChildren } from '#local/demo/run.ts'
import { startStack } from '#local/embedded-stack.ts'
import { byGiftType, GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'

interface DemoOptions {
  messages: number
  moneyLatency: number
  faults: number
  json?: boolean
  keep?: boolean
  seal?: boolean
  canary?: number
  deadline?: number
}

function wholeNumber(minimum: number, maximum: number) {
  return (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`it must be a whole number from ${minimum} to ${maximum}.`)
  }
}

const say = (line: string) => process.stderr.write(`${line}\n`)

const program = new Command('demo')
  .description('the main job on one command: Kafka → row → stream → Money API → row, and an account of it')
  .option('--messages <n>', 'gifts in all', wholeNumber(1, 10_000_000), 20_000)
  .option('--money-latency <ms>', 'how long a Money API call takes', wholeNumber(0, 60_000), 50)
  .option('--faults <percent>', 'share of Money API calls that go wrong', wholeNumber(0, 90), 0)
  .option('--seal', 'seal the completed promotions with a key of this run, and prove a gift of each')
  .option(
    '--canary <n>',
    'confirm the first gifts of each promotion before the others are paid',
    wholeNumber(1, 10_000),
  )
  .option('--deadline <s>', 'be done within so many seconds, with as many calls as it bears', wholeNumber(1, 86_400))
  .option('--json', 'print one JSON object as the last line of stdout')
  .option('--keep', 'leave everything running and print the addresses')

const options = program.parse().opts<DemoOptions>()
try {
  process.exitCode = (await demo(options)) ? 0 : 1
} catch (error) {
  process.stderr.write(`promostream demo: ${errorLine(error)}\n`)
  process.exitCode = 1
}

async function demo({
  messages,
  moneyLatency,
  faults,
  json,
  keep = false,
  seal = false,
  canary = 0,
  deadline,
}: DemoOptions): Promise<boolean> {
  const inherited = Object.fromEntries(Object.entries(processEnvironment()).filter(([, value]) => value !== undefined))
  const stack = await startStack({
    env: inherited,
    allowMockKafka: true,
    keep,
    money: { latencyMs: moneyLatency, faultPercent: faults, seed: 1, tellsAmount: canary > 0 },
    onProgress: say,
  })
  const stop = () => void stack.close().finally(() => process.exit(1))
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    const sealing = seal ? { SEAL_PRIVATE_KEY: newSealKey() } : {}
    const optIn = {
      ...sealing,
      ...(canary === 0 ? {} : { PROMOTION_CANARY_GIFTS: String(canary) }),
      ...(deadline === undefined ? {} : { MONEY_API_ADAPTIVE: 'true', WORKER_SLOTS_BY_DEADLINE: 'true' }),
    }
    const env = demoEnvironment({ ...inherited, ...stack.env, ...optIn } as Record<string, string>, inherited)
    const result = await runOn(env, messages, {
      keep,
      isMock: stack.kafka === 'mock',
      isSealed: seal,
      deadlineS: deadline,
    })
    report(result, stack.kafka === 'mock' ? 'mock' : 'apache', json === true)
    if (keep) return describeKept(env, result, stack.howToStop)
    await stopChildren(result.children)
    return isBalanced(result.account)
  } finally {
    if (!keep) await stack.close()
  }
}

function newSealKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Topics, groups and keys of this run alone, so that a Kafka and a Redis that others use too can be given. */
function demoEnvironment(
  base: Record<string, string>,
  inherited: Record<string, string | undefined>,
): Record<string, string> {
  const run = `demo-${randomBytes(4).toString('hex')}`
  return {
    ...base,
    KAFKA_GROUP_ID: run,
    ...(inherited.REDIS_URL === undefined ? {} : { REDIS_KEY_PREFIX: `${run}:` }),
    KAFKA_TOPIC_STARTED: `${run}-started`,
    ...Object.fromEntries(
      PROMOTION_TYPES.flatMap(type => Object.values(GIFT_TYPES[type].topics)).map(({ setting, groupSuffix }) => [
        setting,
        `${run}-${groupSuffix}`,
      ]),
    ),
    KAFKA_TOPIC_INVALID: `${run}-invalid`,
    KAFKA_TOPIC_COMPLETED: `${run}-completed`,
  }
}

async function runOn(
  env: Record<string, string>,
  messages: number,
  {
    keep,
    isMock,
    isSealed,
    deadlineS,
  }: { keep: boolean; isMock: boolean; isSealed: boolean; deadlineS?: number | undefined },
): Promise<DemoResult> {
  const value = (name: string) => env[name] ?? ''
  const databaseOptions = { url: value('DATABASE_URL'), poolMax: 4, timeoutMs: 30_000 }
  say('preparing the database and the topics')
  await migrate(databaseOptions)
  const database = await openDatabase(databaseOptions)
  const logger = createLogger('demo', 'silent')
  const kafka = createKafka({ brokers: value('KAFKA_BROKERS').split(','), clientId: 'demo', ssl: false, logger })
  const events = createEventProvider(kafka)
  try {
    await database.start()
    const topics = Object.keys(env).filter(name => name.startsWith('KAFKA_TOPIC_') && name !== 'KAFKA_TOPIC_PARTITIONS')
    await ensureTopics(kafka, topics.map(value), 4)
    await events.start()
    return await runDemo(messages, {
      kysely: database.kysely,
      events,
      env,
      topics: {
        started: value('KAFKA_TOPIC_STARTED'),
        gifts: byGiftType(type => value(GIFT_TYPES[type].topics.gifts.setting)),
      },
      moneyUrl: value('MONEY_API_URL'),
      audited: isMock
        ? undefined
        : {
            kafka,
            topics: byGiftType(type => value(GIFT_TYPES[type].topics.gifts.setting)),
            groupIds: byGiftType(type => `${value('KAFKA_GROUP_ID')}-${GIFT_TYPES[type].topics.gifts.groupSuffix}`),
            invalidTopic: value('KAFKA_TOPIC_INVALID'),
          },
      keep,
      isSealed,
      deadlineS,
      say,
      countInvalid: () => countRecords(kafka, value('KAFKA_TOPIC_INVALID')),
    })
  } finally {
    await events.stop()
    await database.stop()
  }
}

function report({ account, seconds, notes }: DemoResult, kafka: string, json: boolean): void {
  const perSecond = Math.round(account.messages / seconds)
  const { SUCCESS: success, FAILED: failed, UNKNOWN: unknown, PENDING: pending, RETRYING: retrying } = account.states
  const lines = [
    '',
    `${account.messages.toLocaleString('en')} gifts in ${seconds.toFixed(1)} s = ${perSecond.toLocaleString('en')}/s`,
    ...describeAccount(account),
    ...notes,
    ...(isBalanced(account) ? ['the account balances'] : [...account.findings, 'THE ACCOUNT DOES NOT BALANCE']),
  ]
  if (kafka === 'mock') lines.push('NOTE: on librdkafka’s mock cluster, not on Apache Kafka')
  const print = json ? say : (line: string) => process.stdout.write(`${line}\n`)
  for (const line of lines) print(line)
  if (!json) return
  const { messages, skipped, invalid, charges, duplicateCharges, missing } = account
  const figures = { messages, seconds, perSecond, success, failed, unknown, pending, retrying, skipped, invalid }
  process.stdout.write(`${JSON.stringify({ ...figures, charges, duplicateCharges, missing, kafka })}\n`)
}

function describeKept(env: Record<string, string>, result: DemoResult, howToStop: string): boolean {
  const { children, account, admin } = result
  say('\nleft running:')
  for (const { name, pid, url, logFile } of children) say(`  ${name.padEnd(10)} pid ${pid}  ${url}  ${logFile}`)
  for (const name of ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS', 'MONEY_API_URL']) say(`  ${name}=${env[name]}`)
  for (const line of admin === undefined ? [] : describeAdmin(admin)) say(line)
  say(`stop the processes: kill ${children.map(({ pid }) => pid).join(' ')}`)
  say(`stop the servers:   ${howToStop}`)
  return isBalanced(account)
}
