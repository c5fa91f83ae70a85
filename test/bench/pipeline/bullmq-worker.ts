import { Worker } from 'bullmq'
import pg from 'pg'
import { Pool } from 'undici'

/**
 * The second half with BullMQ: job → POST → one UPDATE for what was answered in the same moment → job completed, with a
 * thousand slots. Tells its parent how many gifts it has completed. Arguments: database, Redis, Money API, its token, topic.
 */
const [databaseUrl, redisUrl, moneyUrl, token, topic] = process.argv.slice(2) as [
  string,
  ...[string, string, string, string],
]
const SLOTS = 1000
const MOST_ROWS = 500
const MOST_UPDATES = 4
const database = new pg.Pool({ connectionString: databaseUrl, max: MOST_UPDATES })
const money = new Pool(moneyUrl, { connections: SLOTS, pipelining: 1 })
const UPDATE = `
  update bench_gift r set process_status = 'SUCCESS', money_key = i.money_key, attempts = 1, updated_at = now()
  from unnest($1::bigint[], $2::text[]) as i (target_id, money_key)
  where r.target_id = i.target_id and r.process_status = 'PENDING'`

interface Paid {
  targetId: string
  transactionKey: string
  settled: PromiseWithResolvers<void>
}

let updating = 0
let completed = 0
let paid: Paid[] = []

const worker = new Worker<{ message: string }>(topic, ({ data }) => pay(data.message), {
  connection: { url: redisUrl },
  concurrency: SLOTS,
})
worker.on('completed', () => {
  completed += 1
})
setInterval(() => process.send?.(completed), 50)
// Without its parent it has nobody to work for.
process.once('disconnect', () => process.exit())
await worker.waitUntilReady()
process.send?.('ready')

async function pay(message: string): Promise<void> {
  const {
    promotionId,
    voucherTargetId: targetId = '',
    memberId,
    amount,
  } = JSON.parse(message) as Record<string, string>
  const { body } = await money.request({
    method: 'POST',
    path: '/v1/campaign-charges',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `VOUCHER:${targetId}`,
    },
    body: JSON.stringify({ type: 'VOUCHER', promotionId, targetId, memberId, amount }),
  })
  const { transactionKey } = (await body.json()) as { transactionKey: string }
  const settled = Promise.withResolvers<void>()
  if (paid.push({ targetId, transactionKey, settled }) === 1) setImmediate(flush)
  await settled.promise
}

function flush(): void {
  while (updating < MOST_UPDATES && paid.length > 0) {
    const batch = paid.slice(0, MOST_ROWS)
    paid = paid.slice(MOST_ROWS)
    updating += 1
    void settle(batch).finally(() => {
      updating -= 1
      flush()
    })
  }
}

async function settle(batch: readonly Paid[]): Promise<void> {
  const values = [batch.map(({ targetId }) => targetId), batch.map(({ transactionKey }) => transactionKey)]
  await database.query({ name: 'update', text: UPDATE, values })
  for (const { settled } of batch) settled.resolve()
}
