import { createStreamConnection, StreamPool, StreamQueue, StreamWorker } from 'promostream/stream'

/**
 * Many queues in one process: their workers share 20 slots fairly, one of them is rate limited, and producers wait while
 * a stream is full. Run it with `node examples/many-streams.ts redis://127.0.0.1:6379`.
 */

interface Resize extends Record<string, string> {
  picture: string
}

const connection = createStreamConnection({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' })
await connection.ready()
const pool = new StreamPool({ connection, maxInFlight: 20 })

const customers = ['ada', 'grace', 'linus']
const group = 'resizers'
const all = customers.length * 50
let done = 0
const finished = Promise.withResolvers<void>()

const workers = customers.map(
  customer =>
    new StreamWorker<Resize>(
      `example:resize:${customer}`,
      async () => {
        await new Promise(resolve => setTimeout(resolve, 5))
        done += 1
        if (done === all) finished.resolve()
      },
      {
        connection,
        group,
        pool,
        concurrency: 10,
        ...(customer === 'linus' ? { limiter: { max: 40, windowSeconds: 1 } } : {}),
      },
    ),
)

await Promise.all(
  customers.map(async customer => {
    const highWaterMark = { length: 20, onFull: 'wait' } as const
    const queue = new StreamQueue<Resize>(`example:resize:${customer}`, { connection, group, highWaterMark })
    for (let picture = 0; picture < 50; picture++) await queue.add({ picture: `${customer}-${picture}.jpg` })
  }),
)

await finished.promise
process.stdout.write(`${done} pictures of ${customers.length} customers\n`)
await Promise.all(workers.map(worker => worker.close()))
await pool.close()
await connection.close()
