import { describe, expect, test } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { slowTest } from '../../support/slow-test.ts'
import { GROUP, jobs, name, pendingOf, queueOf, redis, work } from '../../support/stream-harness.ts'

/** Beside members of another kind in one group, by the commands that they send. */

type Reply = [stream: string, entries: [id: string, fields: string[]][]][] | null

interface Kind {
  /** Hands out at most so many new entries. */
  read(consumer: string): Promise<string[]>
  /** After an entry was handled. */
  settle(id: string): Promise<unknown>
}

async function readNew(consumer: string, ...options: (string | number)[]): Promise<string[]> {
  const args = ['GROUP', GROUP, consumer, ...options, 'STREAMS', name, '>']
  const read = redis.probe.xreadgroup as unknown as (...args: (string | number)[]) => Promise<Reply>
  const reply = await read.apply(redis.probe, args)
  return reply?.[0]?.[1].map(([id]) => id) ?? []
}

const KINDS: Readonly<Record<string, Kind>> = {
  /** Acknowledges each entry by itself, deletes none, never claims. */
  'spring container': {
    read: consumer => readNew(consumer, 'COUNT', 10),
    settle: id => redis.probe.xack(name, GROUP, id),
  },
  /** Its `receiveAutoAck`: an entry is done by being handed out. */
  'spring auto-ack': { read: consumer => readNew(consumer, 'COUNT', 10, 'NOACK'), settle: async () => undefined },
  'redis-py': {
    read: consumer => readNew(consumer, 'COUNT', 1),
    settle: id => redis.probe.xack(name, GROUP, id),
  },
  /** Acknowledges, then deletes: two commands. */
  'go-redis': {
    read: consumer => readNew(consumer, 'COUNT', 25),
    settle: async id => {
      await redis.probe.xack(name, GROUP, id)
      await redis.probe.xdel(name, id)
    },
  },
}

/** Handles entries until `isOver`. */
async function member(
  kind: Kind,
  consumer: string,
  handle: (id: string) => void,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const ids = await kind.read(consumer)
    for (const id of ids) {
      handle(id)
      await kind.settle(id)
    }
    await new Promise(resolve => void setTimeout(resolve, ids.length === 0 ? 10 : 1))
  }
}

describe('beside members of another kind in the group', () => {
  test('each entry is handled once, and none is stuck', async () => {
    const queue = queueOf()
    await queue.ensureGroup()
    const handled = new Map<string, number>()
    const by = new Set<string>()
    const note = (who: string) => (id: string) => {
      by.add(who)
      handled.set(id, (handled.get(id) ?? 0) + 1)
    }
    const isOver = () => handled.size === 900
    const ours = note('ours')
    work(async ({ id }) => {
      await new Promise(resolve => void setTimeout(resolve, 1))
      ours(id)
    })
    const members = Object.entries(KINDS).map(([kind, ways]) => member(ways, kind, note(kind), isOver))
    for (let from = 0; from < 900; from += 90) {
      await queue.addBulk(jobs(90, from))
      await new Promise(resolve => void setTimeout(resolve, 10))
    }
    await Promise.all(members)
    await until('nothing is pending', async () => (await pendingOf()) === 0)
    expect([...handled.values()].filter(times => times !== 1)).toEqual([])
    expect([...by].sort()).toEqual([...Object.keys(KINDS), 'ours'].sort())
    // What the others only acknowledged goes by the queue's own step.
    while ((await queue.trimAcknowledged()) > 0);
    expect(await queue.counts()).toEqual({ length: 0, pending: 0, waiting: 0 })
  })

  test('what one of them had when it died is taken over, once each', async () => {
    const queue = queueOf()
    await queue.ensureGroup()
    await queue.addBulk(jobs(30))
    const left: string[] = []
    for (const [kind, { read }] of Object.entries(KINDS))
      if (kind !== 'spring auto-ack') left.push(...(await read(kind)))
    expect(left.length).toBe(30)
    const handled: string[] = []
    const worker = work(({ id }) => void handled.push(id), { claimMinIdleMs: 300 })
    await until('all are handled', () => handled.length >= left.length)
    await worker.pause()
    expect(handled.sort()).toEqual(left.sort())
    expect([await pendingOf(), await queue.length()]).toEqual([0, 0])
  })

  slowTest('one that claims what lies idle takes nothing of ours, however long our handler runs', async () => {
    const gate = Promise.withResolvers<void>()
    let runs = 0
    work(
      async () => {
        runs += 1
        await gate.promise
      },
      { claimMinIdleMs: 3000 },
    )
    await queueOf().addBulk(jobs(5))
    await until('all run', () => runs === 5)
    const taken: unknown[] = []
    for (let look = 0; look < 15; look++) {
      const [, entries] = (await redis.probe.xautoclaim(name, GROUP, 'redis-py', 3000, '0-0', 'COUNT', 10)) as [
        string,
        unknown[],
      ]
      taken.push(...entries)
      await new Promise(resolve => void setTimeout(resolve, 300))
    }
    gate.resolve()
    await until('all are done', async () => (await pendingOf()) === 0)
    expect([taken, runs]).toEqual([[], 5])
  })
})
