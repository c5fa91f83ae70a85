import { createStreamConnection, retryLater, StreamQueue, StreamWorker } from 'promostream/stream'

/**
 * Calls of an API that takes five a second and is busy at times: no more begin, whatever the number of workers, and a call
 * that is refused for now comes back later without having cost an attempt. Run it with
 * `node examples/limited-api.ts redis://127.0.0.1:6379`.
 */

interface Lookup {
  city: string
}

const connection = createStreamConnection({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' })
const queue = new StreamQueue<Lookup>('example:weather', { connection })

let calls = 0
/** Stands for the API: its third call is refused. */
async function weatherOf(city: string): Promise<{ status: number; text: string }> {
  calls += 1
  return calls === 3 ? { status: 429, text: '' } : { status: 200, text: `sunny in ${city}` }
}

const cities = [
  'Aachen',
  'Bonn',
  'Celle',
  'Dresden',
  'Erfurt',
  'Fulda',
  'Gera',
  'Halle',
  'Ilmenau',
  'Jena',
  'Kassel',
  'Lingen',
]
await queue.addBulk(cities.map(city => ({ city })))

const begun: number[] = []
const finished = Promise.withResolvers<void>()
const worker = new StreamWorker<Lookup, string>(
  'example:weather',
  async ({ data }) => {
    begun.push(performance.now())
    const { status, text } = await weatherOf(data.city)
    if (status === 429) return retryLater({ delayMs: 200, reason: 'the API is busy' })
    if (status !== 200) throw new Error(`status ${status}`)
    return text
  },
  { connection, concurrency: 20, limiter: { max: 5, duration: 1000 } },
)
let done = 0
worker.on('completed', (_job, text) => {
  process.stdout.write(`${text}\n`)
  done += 1
  if (done === cities.length) finished.resolve()
})

await finished.promise
process.stdout.write(`${calls} calls in ${Math.round(((begun.at(-1) ?? 0) - (begun[0] ?? 0)) / 1000)} s\n`)
await worker.close()
await connection.close()
