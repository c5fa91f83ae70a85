import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createStreamConnection, StreamWorker } from '#stream/index.ts'

/** Ways to arrange `slots` handlers at once on connections. */
export const VARIANTS = ['one', 'pool', 'pollers', 'pollers-own'] as const
export type Variant = (typeof VARIANTS)[number]

const GROUP = 'bench'
const POOL_SIZE = 8
/** A poller that finds nothing waits this long. */
const POLL_PAUSE_MS = 50

interface Work {
  url: string
  stream: string
  slots: number
  handle: () => Promise<void>
}

/** The framework: one fetcher on one connection. */
async function one(work: Work, connections = 1): Promise<void> {
  for (let index = 0; index < connections; index++) {
    const connection = createStreamConnection({ url: work.url })
    await connection.ready()
    const concurrency = Math.ceil(work.slots / connections)
    new StreamWorker(work.stream, work.handle, { connection, group: GROUP, concurrency })
  }
}

/** Each consumer polls for itself, one entry at a time, as the planning documents' subscriptions do. */
async function pollers({ url, stream, slots, handle }: Work, connectionOf: () => Redis): Promise<void> {
  await new Redis(url).xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
  for (let slot = 0; slot < slots; slot++) void poll(connectionOf(), stream, `consumer-${slot}`, handle)
}

async function poll(redis: Redis, stream: string, consumer: string, handle: () => Promise<void>): Promise<void> {
  for (;;) {
    const reply = await redis.xreadgroup('GROUP', GROUP, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
    const id = (reply as [string, [string, string[]][]][] | null)?.[0]?.[1][0]?.[0]
    if (id === undefined) await sleep(POLL_PAUSE_MS)
    else {
      await handle()
      await redis.multi().xack(stream, GROUP, id).xdel(stream, id).exec()
    }
  }
}

export const START: Record<Variant, (work: Work) => Promise<void>> = {
  one: work => one(work),
  pool: work => one(work, POOL_SIZE),
  pollers: work => {
    const shared = new Redis(work.url)
    return pollers(work, () => shared)
  },
  'pollers-own': work => pollers(work, () => new Redis(work.url)),
}
