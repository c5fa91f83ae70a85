import { expect, test } from '@jest/globals'
import { ConsumerWork } from '#stream/consumer-work.ts'
import { ConsumerGroup } from '#stream/group.ts'
import { IMMEDIATE_LINK, type MemoryLink } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { StoredDelays } from '#stream/stored-delays.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

const [STREAM, GROUP] = ['s', 'g']
const MIN_IDLE_MS = 60_000

test('what a claim takes while its worker leaves is given up before it has left, to be taken by others at once', async () => {
  const server = new MemoryServer()
  const reply = Promise.withResolvers<void>()
  const claiming = Promise.withResolvers<void>()
  const link: MemoryLink = {
    ...IMMEDIATE_LINK,
    carry: (command, execute, settle) =>
      IMMEDIATE_LINK.carry(command, execute, answer => {
        if (command[0]?.toUpperCase() !== 'XAUTOCLAIM') return settle(answer)
        claiming.resolve()
        void reply.promise.then(() => settle(answer))
      }),
  }
  const connection = createMemoryConnection(server, { link })
  await connection.ready()
  const group = new ConsumerGroup(connection, { stream: STREAM, group: GROUP, consumer: 'me' })
  await group.ensure()
  server.execute(['XADD', STREAM, '1-0', 'n', '1'])
  server.execute(['XREADGROUP', 'GROUP', GROUP, 'dead', 'COUNT', '1', 'STREAMS', STREAM, '>'])
  server.execute(['XCLAIM', STREAM, GROUP, 'dead', '0', '1-0', 'IDLE', String(2 * MIN_IDLE_MS), 'JUSTID'])
  const nothing = () => undefined
  const begun: string[] = []
  const work = new ConsumerWork<Record<string, string>>({
    stream: STREAM,
    handler: ({ id }) => void begun.push(id),
    options: {
      concurrency: 5,
      readCount: 5,
      claimMinIdleMs: MIN_IDLE_MS,
      maxDeliveries: 3,
      maxBackoffMs: 100,
      isNamed: false,
      onPoison: nothing,
    },
    group,
    limiter: undefined,
    delays: new StoredDelays(connection, STREAM, nothing),
    lane: new SuspectLane(),
    signal: new AbortController().signal,
    announce: nothing,
    writeDeadLetter: () => Promise.resolve(),
    isUsable: () => true,
    wake: nothing,
    onFreed: nothing,
    onReadFailed: () => Promise.resolve(),
    onOtherGroup: nothing,
    onError: nothing,
  })
  work.open()
  const round = work.maintain(performance.now(), false)
  await claiming.promise
  work.shut()
  const leaving = work.leave()
  reply.resolve()
  await leaving
  const answer = server.execute(['XPENDING', STREAM, GROUP, 'IDLE', String(MIN_IDLE_MS), '-', '+', '1'])
  expect(answer).toEqual({ reply: [['1-0', 'me', expect.any(Number), 1]] })
  await round
  expect(begun).toEqual([])
  await connection.close()
})
