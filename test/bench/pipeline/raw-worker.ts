import { Redis } from 'ioredis'
import pg from 'pg'
import { type Dispatcher, Pool } from 'undici'

/**
 * The bare loop's second half: XREADGROUP → POST → one UPDATE a batch → XACK + XDEL, with a thousand slots. Tells its
 * parent how many gifts it has acknowledged. Arguments: database, Redis, Money API, its token, topic,
 * consumer.
 */
const [databaseUrl, redisUrl, moneyUrl, token, topic, consumer] = process.argv.slice(2) as [
  string,
  ...[string, string, string, string, string],
]
const SLOTS = 1000
const READ_COUNT = 500
const MOST_ROWS = 500
const MOST_UPDATES = 4
const authorization = `Bearer ${token}`
const stream = `${topic}:stream`
const database = new pg.Pool({ connectionString: databaseUrl, max: MOST_UPDATES })
const redis = new Redis(redisUrl)
const money = new Pool(moneyUrl, { connections: SLOTS, pipelining: 1 })
const UPDATE = `
  update bench_gift r set process_status = 'SUCCESS', money_key = i.money_key, attempts = 1, updated_at = now()
  from unnest($1::bigint[], $2::text[]) as i (target_id, money_key)
  where r.target_id = i.target_id and r.process_status = 'PENDING'`
interface Paid {
  id: string
  targetId: string
  transactionKey: string
}

let free = SLOTS
let updating = 0
let acknowledged = 0
let paid: Paid[] = []

setInterval(() => process.send?.(acknowledged), 50)
// Without its parent it has nobody to work for.
process.once('disconnect', () => process.exit())
process.send?.('ready')
for (;;) {
  const entries = free > 0 ? await read(Math.min(free, READ_COUNT)) : []
  for (const [id, fields] of entries) {
    free -= 1
    pay(id, fields[3] ?? '')
  }
  await new Promise(resolve => setTimeout(resolve, entries.length === 0 ? 5 : 0))
}

async function read(count: number): Promise<[string, string[]][]> {
  const reply = await redis.xreadgroup('GROUP', 'bench', consumer, 'COUNT', count, 'STREAMS', stream, '>')
  return (reply as [string, [string, string[]][]][] | null)?.[0]?.[1] ?? []
}

function pay(id: string, message: string): void {
  const { promotionId, voucherTargetId: targetId, memberId, amount } = JSON.parse(message) as Record<string, string>
  const body = JSON.stringify({ type: 'VOUCHER', promotionId, targetId, memberId, amount })
  const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': `VOUCHER:${targetId}` }
  let text = ''
  const handler: Dispatcher.DispatchHandler = {
    onResponseData: (_controller, chunk) => {
      text += chunk.toString()
    },
    onResponseEnd: () => {
      free += 1
      const { transactionKey } = JSON.parse(text) as { transactionKey: string }
      if (paid.push({ id, targetId: targetId ?? '', transactionKey }) === 1) setImmediate(flush)
    },
    onResponseError: (_controller, error) => {
      throw error
    },
    onRequestStart: () => undefined,
    onResponseStart: () => undefined,
  }
  money.dispatch({ method: 'POST', path: '/v1/campaign-charges', headers, body }, handler)
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
  const ids = batch.map(({ id }) => id)
  await Promise.all([redis.xack(stream, 'bench', ...ids), redis.xdel(stream, ...ids)])
  acknowledged += batch.length
}
