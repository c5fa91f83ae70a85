import '#runtime/node-version.cjs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { cliSchema } from '#config/schemas.ts'
import { openDatabase } from '#database/database.ts'
import { createPromotionRepository, type Promotion, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createKafka } from '#kafka/client.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { publishGifts } from './demo/gifts.ts'

/** Gifts for an installation that is tried out: creates a promotion, publishes, starts it, and tells when all are paid. */

interface Options {
  promotion: string
  gifts: number
}

const POLL_MS = 500
/** Nothing has been paid for this long: it is not going to be. */
const STALLED_MS = 120_000
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const whole = (minimum: number, maximum: number) => (text: string) => {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= minimum && value <= maximum) return value
  throw new InvalidArgumentError(`it must be a whole number from ${minimum} to ${maximum}.`)
}

const options = new Command('sample')
  .description('publishes the gifts of a sample promotion and waits until they are paid; done again it changes nothing')
  .option('--promotion <id>', 'its id', text => String(whole(1, 999_999_999)(text)), '1')
  .option('--gifts <n>', 'how many it gives', whole(1, 10_000_000), 10_000)
  .parse()
  .opts<Options>()

try {
  await run(options)
} catch (error) {
  process.stderr.write(`promostream sample: ${errorLine(error)}\n`)
  process.exitCode = 1
}

async function run({ promotion: id, gifts }: Options): Promise<void> {
  const config = loadConfig(cliSchema, processEnvironment())
  const {
    DATABASE_URL: url,
    DATABASE_TIMEOUT_MS: timeoutMs,
    KAFKA_TOPIC_VOUCHER: topic,
    KAFKA_BROKERS: brokers,
  } = config
  if (brokers === undefined) throw new CodedError('CONFIG', 'KAFKA_BROKERS is not set')
  const kafka = createKafka({
    brokers,
    clientId: 'sample',
    ssl: config.KAFKA_SSL,
    logger: createLogger('sample', 'silent'),
  })
  await using database = await openDatabase({ url, poolMax: 2, timeoutMs })
  await database.start()
  const promotions = createPromotionRepository(database.kysely)
  const promotion = await findOrCreate(promotions, id, gifts)
  if (promotion.status === 'COMPLETED') return say(`promotion ${id} is COMPLETED already: --promotion names another`)
  await ensureTopics(kafka, [topic], config.KAFKA_TOPIC_PARTITIONS)
  await using events = createEventProvider(kafka)
  await events.start()
  say(`publishing ${promotion.totalCount} gifts of promotion ${id}`)
  const firstTargetId = BigInt(id) * 10_000_000n
  // What was published before an interruption is published again: duplicates, which are counted and not paid.
  await publishGifts(events, { id, type: 'VOUCHER', topic, gifts: promotion.totalCount, firstTargetId })
  await promotions.start(id, promotion.totalCount)
  await waitUntilPaid(promotions, id)
}

async function findOrCreate(promotions: PromotionRepository, id: string, gifts: number): Promise<Promotion> {
  if ((await promotions.find(id)) === undefined)
    await promotions.create({ id, type: 'VOUCHER', name: 'sample', totalCount: gifts })
  const promotion = await promotions.find(id)
  if (promotion?.type === 'VOUCHER' && promotion.name === 'sample') return promotion
  throw new CodedError('PROMOTION_EXISTS', `promotion ${id} is none of these samples: --promotion names another`)
}

async function waitUntilPaid(promotions: PromotionRepository, id: string): Promise<void> {
  let movedAtMs = Date.now()
  let told = ''
  for (;;) {
    const counts = await promotions.countByStatus({ id, type: 'VOUCHER' })
    const now = JSON.stringify(counts)
    if (now !== told) movedAtMs = Date.now()
    told = now
    if ((await promotions.find(id))?.status === 'COMPLETED')
      return say(
        `promotion ${id} is COMPLETED: ${counts.SUCCESS} paid, ${counts.FAILED} refused, ${counts.UNKNOWN} unknown`,
      )
    if (Date.now() - movedAtMs > STALLED_MS)
      throw new CodedError(
        'STALLED',
        `nothing has moved for two minutes: ${now}; promostream doctor says what is wrong`,
      )
    await sleep(POLL_MS)
  }
}
