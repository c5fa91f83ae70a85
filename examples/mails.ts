import { once } from 'node:events'
import { createStreamConnection, deadLetter, StreamQueue, StreamWorker } from 'promostream/stream'

/** A queue of mails: run it with `node examples/mails.ts redis://127.0.0.1:6379`. */

interface Mail {
  to: string
  subject: string
}

const connection = createStreamConnection({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' })
await connection.ready()

const queue = new StreamQueue<Mail>('example:mails', { connection, group: 'mailers' })
await queue.addBulk([
  { to: 'ada@example.org', subject: 'hello' },
  { to: 'nobody', subject: 'lost' },
  { to: 'grace@example.org', subject: 'hello' },
])

const worker = new StreamWorker<Mail>(
  'example:mails',
  ({ data }) => {
    if (!data.to.includes('@')) return deadLetter('not an address')
    process.stdout.write(`to ${data.to}: ${data.subject}\n`)
    return undefined
  },
  { connection, group: 'mailers', concurrency: 10 },
)

await once(worker, 'drained')
await worker.close()
await connection.close()
