import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { request } from 'undici'

/**
 * One gift after the other, as it was done before: Kafka → INSERT → POST → UPDATE → offset. Tells its parent how many it has
 * done. Arguments: brokers, database, Redis (not used), topic, group, Money API, its token.
 */
const [brokers, databaseUrl, , topic, groupId, moneyUrl, token] = process.argv.slice(2) as [
  string,
  ...[string, string, string, string, string, string],
]
const database = new pg.Pool({ connectionString: databaseUrl, max: 1 })
const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId })
let done = 0

await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
await consumer.run({
  partitionsConsumedConcurrently: 1,
  eachMessage: async ({ message }) => pay(message.value?.toString() ?? ''),
})
setInterval(() => process.send?.(done), 50)
// Without its parent it has nobody to work for.
process.once('disconnect', () => process.exit())
process.send?.('ready')

async function pay(text: string): Promise<void> {
  const gift = JSON.parse(text) as Record<string, string>
  const { promotionId, promotionSummaryId, voucherTargetId: targetId, partitionKey, memberId, amount } = gift
  await database.query(
    `insert into bench_gift (promotion_id, promotion_summary_id, target_id, partition_key, member_id, amount, message)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (target_id) do nothing`,
    [promotionId, promotionSummaryId, targetId, partitionKey, memberId, amount, text],
  )
  const { body } = await request(`${moneyUrl}/v1/campaign-charges`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `VOUCHER:${targetId}`,
    },
    body: JSON.stringify({ type: 'VOUCHER', promotionId, targetId, memberId, amount }),
  })
  const { transactionKey } = (await body.json()) as { transactionKey: string }
  await database.query(
    `update bench_gift set process_status = 'SUCCESS', money_key = $2, attempts = 1, updated_at = now()
     where target_id = $1 and process_status = 'PENDING'`,
    [targetId, transactionKey],
  )
  done += 1
}
