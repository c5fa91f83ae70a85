import { Queue, Worker } from 'bullmq'
import { createStreamConnection, StreamQueue, StreamWorker } from 'promostream/stream'

/**
 * Jobs for later, or for every night: BullMQ keeps the time, and when it has come its processor adds the entry. The delayed job is
 * small and few; the masses are entries. Run it with `node examples/delayed-by-bullmq.ts redis://127.0.0.1:6379`.
 */

interface Reminder {
  to: string
}

const url = process.argv[2] ?? 'redis://127.0.0.1:6379'
const connection = createStreamConnection({ url })
const reminders = new StreamQueue<Reminder>('example:reminders', { connection })

// BullMQ wants a connection of its own: its workers block on it.
const { hostname: host, port } = new URL(url)
const clock = { connection: { host, port: Number(port) }, prefix: 'example' }
const later = new Queue<Reminder>('later', clock)
const alarm = new Worker<Reminder>(
  'later',
  async ({ data }) => {
    // Twice the same entry is possible (a process that dies between adding and finishing): the handler is idempotent.
    await reminders.add(data)
  },
  clock,
)

let reminded = 0
const finished = Promise.withResolvers<void>()
const worker = new StreamWorker<Reminder>(
  'example:reminders',
  ({ data }) => {
    process.stdout.write(`remind ${data.to}\n`)
    reminded += 1
    if (reminded === 2) finished.resolve()
  },
  { connection },
)

await later.add('remind', { to: 'grace' }, { delay: 1000, removeOnComplete: true })
await later.add('remind', { to: 'ada' }, { delay: 100, removeOnComplete: true })
// Every night: await later.upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'remind', data: { to: 'all' } })

await finished.promise
await worker.close()
await alarm.close()
await later.close()
await connection.close()
