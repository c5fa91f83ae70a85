import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { StreamConnection } from '#stream/connection.ts'
import { DeliveryCounter } from '#stream/delivery-counter.ts'
import { ConsumerGroup } from '#stream/group.ts'
import { type Lease, LeasedEntries } from '#stream/leased-entries.ts'
import { IMMEDIATE_LINK } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'

/** The counter against a server: what that has counted in the end is what the next process goes by. */

let server: MemoryServer
let connection: StreamConnection
let counter: DeliveryCounter
let leased: LeasedEntries<Record<string, string>>
/** What becomes of the next script: it is answered, or it is done and nobody hears of it, or it never arrives. */
let fate: 'answered' | 'unheard' | 'undone'
let scripts: number

beforeEach(async () => {
  ;[fate, scripts] = ['answered', 0]
  server = new MemoryServer()
  connection = createMemoryConnection(server, {
    link: {
      ...IMMEDIATE_LINK,
      carry: (command, execute, settle) =>
        IMMEDIATE_LINK.carry(
          command,
          () => {
            if (!command[0]?.startsWith('stream')) return execute()
            scripts += 1
            const now = fate
            fate = 'answered'
            if (now === 'answered') return execute()
            if (now === 'unheard') execute()
            return { error: new Error('Command timed out') }
          },
          settle,
        ),
    },
  })
  await connection.ready()
  const group = new ConsumerGroup(connection, { stream: 's', group: 'g', consumer: 'me' })
  await group.ensure()
  for (const id of ['1-0', '2-0']) server.execute(['XADD', 's', id, 'n', '1'])
  server.execute(['XREADGROUP', 'GROUP', 'g', 'me', 'STREAMS', 's', '>'])
  counter = new DeliveryCounter({ group, onError: () => undefined })
  leased = new LeasedEntries()
})
afterEach(() => connection.close())

/** Its deliveries by the worker's count, and by the server's. */
function leaseOf(id: string, deliveries: number, onServer: number, state: 'ready' | 'active' = 'ready') {
  const lease = leased.add({ id, stream: 's', fields: {}, deliveries }, 0, state)
  if (lease === undefined) throw new Error('not leased')
  claim(id, 'me', onServer)
  return lease
}

function claim(id: string, consumer: string, deliveries: number): void {
  server.execute(['XCLAIM', 's', 'g', consumer, '0', id, 'RETRYCOUNT', String(deliveries), 'JUSTID'])
}

function onServer(id: string): number {
  const rows = (server.execute(['XPENDING', 's', 'g', id, id, '1']) as { reply: [string, string, number, number][] })
    .reply
  return rows[0]?.[3] ?? 0
}

async function begin(lease: Lease<Record<string, string>>): Promise<void> {
  lease.isCounted = await counter.count(lease)
}

/** What is sent without anyone waiting for it has been answered. */
const answered = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => void setImmediate(resolve))
}

test('a run that was taken back is not forgiven as well', async () => {
  const lease = leaseOf('1-0', 3, 2)
  await begin(lease)
  expect(onServer('1-0')).toBe(3)
  await counter.takeBack(lease)
  expect(onServer('1-0')).toBe(2)
  counter.forgive(lease)
  expect(counter.owesForgiveness).toBe(false)
})

test('a run that is taken back leaves no more than the bad ends that this process knows of', async () => {
  const lease = leaseOf('1-0', 2, 1)
  await begin(lease)
  claim('1-0', 'me', 7)
  await counter.takeBack(lease)
  expect(onServer('1-0')).toBe(1)
})

test('what the server hands out anew while it runs has its bad ends and the run under way again', async () => {
  const lease = leaseOf('1-0', 3, 1, 'active')
  lease.isCounted = false
  counter.restore(lease)
  await answered()
  expect([onServer('1-0'), lease.isCounted]).toEqual([3, true])
})

test('what the server hands out anew while it waits has its bad ends again, and no run', async () => {
  const lease = leaseOf('1-0', 3, 1, 'active')
  leased.move(lease, 'delayed')
  counter.restore(lease)
  await answered()
  expect([onServer('1-0'), lease.isCounted]).toEqual([2, false])
})

test('bad ends that the server has forgotten, and was not told of, are in the count of the next run', async () => {
  const lease = leaseOf('1-0', 3, 1)
  fate = 'undone'
  counter.restore(lease)
  await answered()
  expect([onServer('1-0'), counter.isUnsure(lease)]).toEqual([1, true])
  await begin(lease)
  expect([onServer('1-0'), lease.entry.deliveries, counter.isUnsure(lease)]).toEqual([3, 3, false])
})

test('one that runs is not in doubt, whatever was not answered', async () => {
  const lease = leaseOf('1-0', 2, 1, 'active')
  fate = 'unheard'
  counter.restore(lease)
  await answered()
  expect([onServer('1-0'), counter.isUnsure(lease)]).toEqual([2, false])
})

test('the counted delivery of one that may be another’s by now is forgiven once, and the server told of nothing else', async () => {
  const lease = leaseOf('1-0', 2, 1)
  await begin(lease)
  claim('1-0', 'other', 3)
  const before = scripts
  await counter.settleForgiveness()
  expect(scripts).toBe(before)
  for (let times = 0; times < 2; times++) {
    counter.forgive(lease)
    expect(counter.owesForgiveness).toBe(times === 0)
    await counter.settleForgiveness()
    await counter.settleForgiveness()
  }
  expect([onServer('1-0'), scripts - before]).toEqual([2, 1])
})

test('what is counted in one turn is one command, and a doubt that was put right is told once', async () => {
  const [first, second] = [leaseOf('1-0', 2, 1), leaseOf('2-0', 2, 1)]
  fate = 'unheard'
  await expect(counter.count(first)).rejects.toThrow('Command timed out')
  await begin(second)
  expect([onServer('1-0'), counter.isUnsure(first)]).toEqual([1, false])
  // Counted by others since.
  claim('1-0', 'me', 4)
  await counter.takeBack(second)
  expect(onServer('1-0')).toBe(4)
  const before = scripts
  await Promise.all([begin(first), begin(second)])
  await answered()
  expect(scripts - before).toBe(1)
})

test('an answer shows those alive that are still this consumer’s, at the moment when it was asked for', async () => {
  const [ours, theirs, late] = [leaseOf('1-0', 2, 1), leaseOf('2-0', 2, 1), performance.now() + 60_000]
  claim('2-0', 'other', 1)
  const before = performance.now()
  expect(await Promise.all([counter.count(ours), counter.count(theirs)])).toEqual([true, false])
  expect(ours.aliveAtMs).toBeGreaterThanOrEqual(before)
  expect(theirs.aliveAtMs).toBe(0)
  ours.aliveAtMs = late
  await counter.count(ours)
  expect(ours.aliveAtMs).toBe(late)
})
