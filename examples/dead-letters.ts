import { createStreamConnection, StreamQueue, StreamWorker } from 'promostream/stream'

/**
 * What failed for good, and its way back: two mails are given up while the mail server is away, one is replayed when it is
 * back, the other is thrown away. Run it with `node examples/dead-letters.ts redis://127.0.0.1:6379`.
 */

interface Mail {
  to: string
}

const connection = createStreamConnection({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' })
const queue = new StreamQueue<Mail>('example:letters', { connection })

let isServerUp = false
const sent = Promise.withResolvers<void>()
const bothFailed = Promise.withResolvers<void>()
const worker = new StreamWorker<Mail>(
  'example:letters',
  ({ data }) => {
    if (!isServerUp) throw new Error('connect ETIMEDOUT')
    process.stdout.write(`sent to ${data.to}\n`)
    sent.resolve()
  },
  {
    connection,
    attempts: 2,
    backoff: { type: 'exponential', delay: 50, jitter: 0.5 },
    // At most 10,000 letters, none older than thirty days.
    removeOnFail: { count: 10_000, age: 30 * 24 * 3600 },
  },
)
await queue.addBulk([{ to: 'ada' }, { to: 'mallory' }])

// A handler that fails tells each time; the last time the letter is written.
const watch = setInterval(async () => {
  if ((await queue.getJobCounts()).failed === 2) bothFailed.resolve()
}, 50)
await bothFailed.promise
clearInterval(watch)

for await (const { data, reason } of queue.deadLetters().list()) process.stdout.write(`${data?.to}: ${reason}\n`)

isServerUp = true
const { discarded } = await queue.discard({ where: ({ data }) => data?.to === 'mallory' })
const { replayed } = await queue.replay({ reason: 'ETIMEDOUT' })
process.stdout.write(`${discarded} thrown away, ${replayed.length} back on the stream\n`)

await sent.promise
await worker.close()
await connection.close()
