import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createStreamConnection, StreamWorker } from '#stream/index.ts'

/**
 * A worker process to be killed or frozen: counts each handling in the hash `{stream}:handled` before it is through.
 * An entry whose `n` is `killer` kills it. Arguments: URL, stream, group, claimMinIdleMs, ms of a job, concurrency,
 * maxDeliveries. Prints its consumer's name when it is ready.
 */
const [url = '', stream = '', group = '', minIdleMs, jobMs, concurrency, maxDeliveries] = process.argv.slice(2)
const connection = createStreamConnection({ url })
const ledger = new Redis(url)
const worker = new StreamWorker<{ n: string }>(
  stream,
  async entry => {
    if (entry.fields.n === 'killer') process.kill(process.pid, 'SIGKILL')
    await sleep(Number(jobMs))
    await ledger.hincrby(`${stream}:handled`, entry.id, 1)
  },
  {
    connection,
    group,
    codec: 'flat',
    concurrency: Number(concurrency),
    claimMinIdleMs: Number(minIdleMs),
    maxDeliveries: Number(maxDeliveries),
  },
)
worker.on('error', () => undefined)
worker.once('ready', () => process.stdout.write(`${worker.consumer}\n`))
process.once('SIGTERM', async () => {
  await worker.close()
  process.exit(0)
})
