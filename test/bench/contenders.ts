import { Queue as BullQueue, Worker as BullWorker } from 'bullmq'
import { Queue as GroupQueue, Worker as GroupWorker } from 'groupmq'
import { Redis } from 'ioredis'
import { createStreamConnection, StreamQueue, StreamWorker } from '#stream/index.ts'

/** One way to queue jobs on Redis, as its own documentation uses it, with nothing kept of jobs that are done. */
export interface Contender {
  /** Puts `count` jobs on the queue. */
  fill(url: string, name: string, count: number): Promise<void>
  /** Runs them; returns how to stop. */
  consume(url: string, name: string, concurrency: number, handle: () => Promise<void>): Promise<() => Promise<void>>
}

const BATCH = 1000
/** What a small job carries. */
const fieldsOf = (index: number) => ({ key: `member-${index}`, message: `{"id":${index},"amount":1000}` })

async function inBatches(count: number, add: (indexes: number[]) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    await add(Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => from + index))
  }
}

const oursBy = (codec: 'flat' | 'json'): Contender => ({
  fill: async (url, name, count) => {
    const connection = createStreamConnection({ url })
    await connection.ready()
    const queue = new StreamQueue(name, { connection, group: 'bench', codec })
    await inBatches(count, indexes => queue.addBulk(indexes.map(fieldsOf)))
    await connection.close()
  },
  consume: async (url, name, concurrency, handle) => {
    const connection = createStreamConnection({ url })
    await connection.ready()
    const worker = new StreamWorker(name, handle, { connection, group: 'bench', concurrency, codec })
    return async () => {
      await worker.close()
      await connection.close()
    }
  },
})

const bullmq: Contender = {
  fill: async (url, name, count) => {
    const connection = new Redis(url, { maxRetriesPerRequest: null })
    const queue = new BullQueue(name, { connection })
    const opts = { removeOnComplete: true, removeOnFail: true }
    await inBatches(count, indexes =>
      queue.addBulk(indexes.map(index => ({ name: 'job', data: fieldsOf(index), opts }))),
    )
    await queue.close()
    connection.disconnect()
  },
  consume: async (url, name, concurrency, handle) => {
    const connection = new Redis(url, { maxRetriesPerRequest: null })
    const worker = new BullWorker(name, handle, { connection, concurrency })
    return async () => {
      await worker.close()
      connection.disconnect()
    }
  },
}

/** Made for order within groups: each job is a group of its own here, so that all may run side by side. */
const groupmq: Contender = {
  fill: async (url, name, count) => {
    const redis = new Redis(url, { maxRetriesPerRequest: null })
    const queue = new GroupQueue({ redis, namespace: name })
    await inBatches(count, indexes =>
      Promise.all(indexes.map(index => queue.add({ groupId: String(index), data: fieldsOf(index) }))),
    )
    await queue.close()
    redis.disconnect()
  },
  consume: async (url, name, concurrency, handle) => {
    const redis = new Redis(url, { maxRetriesPerRequest: null })
    const queue = new GroupQueue({ redis, namespace: name })
    const worker = new GroupWorker({ queue, concurrency, handler: handle })
    void worker.run()
    return async () => {
      await worker.close(1000)
      redis.disconnect()
    }
  },
}

/** No queue at all: what the handlers themselves allow, whose timers are late by a part of a millisecond and more under load. */
const timers: Contender = {
  fill: async () => undefined,
  consume: async (_url, _name, concurrency, handle) => {
    let isStopped = false
    const slot = async () => {
      while (!isStopped) await handle()
    }
    for (let slots = 0; slots < concurrency; slots++) void slot()
    return async () => {
      isStopped = true
    }
  },
}

/** `ours` on flat strings, as promotions have them; `json` with the codec that a queue has by default. */
export const CONTENDERS = { ours: oursBy('flat'), json: oursBy('json'), bullmq, groupmq, timers }
export type ContenderName = keyof typeof CONTENDERS
