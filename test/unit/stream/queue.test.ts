import { expect, test } from '@jest/globals'
import { createTestQueue, type StreamQueue } from '#stream/index.ts'

interface Mail {
  to: string
}

const CALLS: Record<string, (queue: StreamQueue<Mail>) => Promise<unknown>> = {
  waitUntilReady: queue => queue.waitUntilReady(),
  add: queue => queue.add({ to: 'ada' }),
  addBulk: queue => queue.addBulk([{ to: 'ada' }]),
  length: queue => queue.length(),
  counts: queue => queue.counts(),
  getJobCounts: queue => queue.getJobCounts(),
  pause: queue => queue.pause(),
  resume: queue => queue.resume(),
  isPaused: queue => queue.isPaused(),
  has: queue => queue.has(['1-0']),
  get: queue => queue.get(['1-0']),
  page: queue => queue.page(),
  pending: queue => queue.pending(),
  trimAcknowledged: queue => queue.trimAcknowledged(),
  deleteOldest: queue => queue.deleteOldest(),
  remove: queue => queue.remove(),
  obliterate: queue => queue.obliterate(),
}

test.each(Object.entries(CALLS))(
  '%s of a queue that is open answers, and of one that is closed is refused',
  async (_, call) => {
    await using mails = createTestQueue<Mail>()
    await mails.queue.ensureGroup()
    await call(mails.queue)
    await mails.queue.close()
    await expect(call(mails.queue)).rejects.toMatchObject({ code: 'STREAM_CLOSED' })
  },
)

test('the oldest entries go until none is left', async () => {
  await using mails = createTestQueue<Mail>()
  await mails.queue.addBulk(Array.from({ length: 250 }, (_, index) => ({ to: String(index) })))
  let [deleted, times] = [0, 0]
  for (let count = -1; count !== 0 && times < 10; times++) deleted += count = await mails.queue.deleteOldest()
  expect([deleted, await mails.queue.length()]).toEqual([250, 0])
})

test('what is paused and obliterated is not paused any more, and only what is empty is removed', async () => {
  await using mails = createTestQueue<Mail>()
  const { queue } = mails
  await queue.ensureGroup()
  await queue.add({ to: 'ada' })
  await queue.pause()
  expect([await queue.isPaused(), await queue.remove()]).toEqual([true, false])
  await queue.obliterate()
  expect([await queue.isPaused(), await queue.length(), await queue.remove()]).toEqual([false, 0, true])
})

test('a hook stands around each add, and knows how many entries it is', async () => {
  const seen: unknown[] = []
  await using mails = createTestQueue<Mail>({
    hooks: {
      add: async (adding, run) => {
        seen.push(adding.count)
        return run()
      },
    },
  })
  await mails.queue.add({ to: 'ada' })
  await mails.queue.addBulk([{ to: 'eve' }, { to: 'bob' }])
  expect([seen, await mails.queue.length()]).toEqual([[1, 2], 3])
})
