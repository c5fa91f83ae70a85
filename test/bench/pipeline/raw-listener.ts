import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'

/**
 * The bare loop's first half: Kafka → one INSERT a batch → XADD (or BullMQ's `addBulk`) → offset. No status, no ceiling, no
 * limit is checked, nothing is tried again: what the same commands cost by themselves. Arguments: brokers, database, Redis,
 * topic, group, and `bullmq` or nothing.
 */
const [brokers, databaseUrl, redisUrl, topic, groupId, kind] = process.argv.slice(2) as [
  string,
  ...[string, string, string, string, string?],
]
const database = new pg.Pool({ connectionString: databaseUrl, max: 4 })
const redis = new Redis(redisUrl)
const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({
  groupId,
  maxWaitTimeInMs: 250,
  maxBytesPerPartition: 256 * 1024,
})

interface Gift {
  promotionId: string
  promotionSummaryId: string
  voucherTargetId: string
  partitionKey: string
  memberId: string
  amount: string
}

const INSERT = `
  insert into bench_gift (promotion_id, promotion_summary_id, target_id, partition_key, member_id, amount, message)
  select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
  on conflict (target_id) do nothing`
const MOST_ROWS = 1000

const queue = kind === 'bullmq' ? new Queue(topic, { connection: { url: redisUrl } }) : undefined
if (queue === undefined) await redis.xgroup('CREATE', `${topic}:stream`, 'bench', '0', 'MKSTREAM')
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 4,
  eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, heartbeat }) => {
    const texts = batch.messages.map(({ value }) => value?.toString() ?? '')
    for (let from = 0; from < texts.length; from += MOST_ROWS) await forward(texts.slice(from, from + MOST_ROWS))
    resolveOffset(batch.lastOffset())
    const offset = (BigInt(batch.lastOffset()) + 1n).toString()
    await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: batch.partition, offset }] }] })
    await heartbeat()
  },
})
// Without its parent it has nobody to work for.
process.once('disconnect', () => process.exit())
process.send?.('ready')

async function forward(texts: readonly string[]): Promise<void> {
  const gifts = texts.map(text => JSON.parse(text) as Gift)
  await database.query({
    name: 'insert',
    text: INSERT,
    values: [
      gifts.map(({ promotionId }) => promotionId),
      gifts.map(({ promotionSummaryId }) => promotionSummaryId),
      gifts.map(({ voucherTargetId }) => voucherTargetId),
      gifts.map(({ partitionKey }) => partitionKey),
      gifts.map(({ memberId }) => memberId),
      gifts.map(({ amount }) => amount),
      texts,
    ],
  })
  if (queue !== undefined) {
    const opts = { removeOnComplete: true }
    await queue.addBulk(texts.map(message => ({ name: 'gift', data: { message }, opts })))
    return
  }
  const pipeline = redis.pipeline()
  for (const [index, text] of texts.entries())
    pipeline.xadd(`${topic}:stream`, '*', 'key', gifts[index]?.partitionKey ?? '', 'message', text)
  await pipeline.exec()
}
