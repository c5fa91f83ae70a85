import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { migrate, openDatabase } from '#database/database.ts'
import { createPromotionRepository } from '#database/promotions.ts'
import { describeAccount, isBalanced, takeAccount } from '#demo/account.ts'
import { type Child, startChild } from '#demo/children.ts'
import { publishGifts } from '#demo/gifts.ts'
import { planPromotions } from '#demo/run.ts'
import { watchUntilFinal } from '#demo/watch.ts'
import { createKafka } from '#kafka/client.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { countRecords } from '#kafka/offsets.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { startStack } from '#local/stack.ts'
import { createLogger } from '#runtime/logger.ts'

/**
 * Kills a listener or a worker at random with SIGKILL, again and again, while gifts are paid by a Money API that fails;
 * then drains and takes the account. Exit code 0 only if nothing is lost, nothing is paid twice, and nothing is left.
 * `node test/chaos/kills.ts --messages 10000 --kills 20 --faults 10 --flushes 1`
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '20' },
    faults: { type: 'string', default: '10' },
    flushes: { type: 'string', default: '0' },
  },
})
const [messages, kills, faults, flushes] = [values.messages, values.kills, values.faults, values.flushes].map(
  Number,
) as [number, number, number, number]
const say = (line: string) => process.stderr.write(`${line}\n`)

const stack = await startStack({
  env: process.env,
  money: { latencyMs: 50, faultPercent: faults, seed: 7 },
  onProgress: say,
})
const env: Record<string, string> = {
  PATH: process.env.PATH ?? '',
  ...stack.env,
  MONEY_API_TIMEOUT_MS: '1000',
  DATABASE_TIMEOUT_MS: '1000',
  REDIS_STREAM_CLAIM_MIN_IDLE_MS: '10000',
  SWEEP_AGE_MS: '15000',
  SWEEP_INTERVAL_MS: '5000',
  RETRY_BACKOFF_MAX_MS: '5000',
  REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '64',
}
const TOPICS = ['started', 'voucher', 'point', 'voucher-retry', 'point-retry', 'invalid', 'completed']
const topic = (name: string) => `prepay-campaign-promotion-${name}`
const databaseOptions = { url: env.DATABASE_URL ?? '', poolMax: 4, timeoutMs: 30_000 }
await migrate(databaseOptions)
const database = await openDatabase(databaseOptions)
const brokers = (env.KAFKA_BROKERS ?? '').split(',')
const kafka = createKafka({ brokers, clientId: 'chaos', ssl: false, logger: createLogger('chaos', 'silent') })
await ensureTopics(kafka, TOPICS.map(topic), 4)
const events = createEventProvider(kafka)
await events.start()

const logFolder = mkdtempSync(join(tmpdir(), 'promostream-chaos-'))
let started = 0
const start = (kind: 'listener' | 'worker') =>
  startChild({ kind, name: `${kind}-${started++}`, env, logFolder, keep: false })
const children = new Map<Child, 'listener' | 'worker'>()
for (const kind of ['listener', 'worker', 'worker', 'worker'] as const) children.set(await start(kind), kind)

const promotions = planPromotions(messages, {
  started: topic('started'),
  voucher: topic('voucher'),
  point: topic('point'),
})
const repository = createPromotionRepository(database.kysely)
for (const { id, type, gifts } of promotions) {
  await repository.create({ id, type, name: 'chaos', totalCount: gifts })
  await repository.start(id, gifts)
}
const publishing = Promise.all(promotions.map(promotion => publishGifts(events, promotion)))

const redis = new Redis(env.REDIS_URL ?? '')
for (let kill = 1; kill <= kills; kill++) {
  await sleep(700)
  const victims = [...children.keys()]
  const victim = victims[Math.floor(Math.random() * victims.length)] as Child
  const kind = children.get(victim) as 'listener' | 'worker'
  process.kill(victim.pid, 'SIGKILL')
  await victim.ended
  children.delete(victim)
  if (kill <= flushes) await redis.flushall()
  say(`kill ${kill}/${kills}: ${victim.name}${kill <= flushes ? ' and FLUSHALL' : ''}`)
  children.set(await start(kind), kind)
}
redis.disconnect()
await publishing

const lastFaultAt = Date.now()
const progress = { update: () => undefined, stop: () => undefined }
const countInvalid = () => countRecords(kafka, topic('invalid'))
const { kysely } = database
await watchUntilFinal({ kysely, promotions, messages, progress, isPublished: () => true, countInvalid })
const drainedSeconds = Math.round((Date.now() - lastFaultAt) / 1000)
const account = await takeAccount({
  kysely,
  promotions,
  messages,
  invalid: await countInvalid(),
  moneyUrl: env.MONEY_API_URL ?? '',
})
for (const line of describeAccount(account)) process.stdout.write(`${line}\n`)
const isGood = isBalanced(account)
process.stdout.write(
  `${kills} kills, ${flushes} FLUSHALLs; drained ${drainedSeconds} s after the last; ${isGood ? 'the account balances' : 'IT DOES NOT BALANCE'}\n`,
)
await Promise.all([...children.keys()].map(child => child.stop()))
await events.stop()
await database.stop()
await stack.close()
process.exitCode = isGood ? 0 : 1
