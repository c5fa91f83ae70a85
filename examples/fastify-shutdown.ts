import fastify from 'fastify'
import { createStreamConnection, StreamQueue, StreamWorker } from 'promostream/stream'

/**
 * A Fastify app that takes orders and works on them, and ends in order on SIGTERM: no request is taken any more, handlers may
 * finish for ten seconds, what is not done comes to another process. Run it with
 * `node examples/fastify-shutdown.ts redis://127.0.0.1:6379`.
 */

interface Order {
  item: string
}

const SHUTDOWN_MS = 10_000

const connection = createStreamConnection({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' })
const queue = new StreamQueue<Order>('example:orders', { connection })
const worker = new StreamWorker<Order>(
  'example:orders',
  async ({ data }, signal) => {
    // A handler that can be interrupted hands the signal on: fetch(url, { signal }).
    await new Promise(resolve => setTimeout(resolve, 300))
    signal.throwIfAborted()
    process.stdout.write(`packed ${data.item}\n`)
  },
  { connection, concurrency: 10 },
)

const app = fastify()
app.post<{ Body: Order }>('/orders', async ({ body }, reply) => {
  const { id } = await queue.add(body)
  return reply.code(202).send({ id })
})
// After the last request was answered, in the order of what needs what.
app.addHook('onClose', async () => {
  await worker.close(false, AbortSignal.timeout(SHUTDOWN_MS))
  await queue.close()
  await connection.close()
  process.stdout.write('closed\n')
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close())

await worker.waitUntilReady()
process.stdout.write(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}\n`)
