import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createTestQueue, deadLetter, type StreamHandler } from 'promostream/stream'

/** A handler's tests, without a Redis: run them with `node examples/testing.ts`. */

interface Mail {
  to: string
}

/** What is tested: `send` is handed in. */
const mailer =
  (send: (to: string) => Promise<void>): StreamHandler<Mail, string> =>
  async ({ data }) => {
    if (!data.to.includes('@')) return deadLetter('not an address')
    await send(data.to)
    return `sent to ${data.to}`
  }

test('a mail is sent', async () => {
  await using mails = createTestQueue<Mail>()
  const worker = mails.worker(mailer(async () => undefined))
  const completed = once(worker, 'completed')
  await mails.queue.add({ to: 'ada@example.org' })
  assert.equal((await completed)[1], 'sent to ada@example.org')
})

test('a server that is away is tried again after a minute and after two, and then no more', async () => {
  await using mails = createTestQueue<Mail>()
  let tries = 0
  const away = async () => {
    tries += 1
    throw new Error('away')
  }
  mails.worker(mailer(away), { attempts: 3, backoff: { type: 'exponential', delay: 60_000 } })
  await mails.queue.add({ to: 'ada@example.org' })
  await mails.clock.advance(1000)
  assert.equal(tries, 1)
  await mails.clock.advance(59_000)
  await mails.clock.advance(1000)
  assert.equal(tries, 2)
  await mails.clock.advance(121_000)
  assert.equal(tries, 3)
  const { items } = await mails.queue.deadLetters().page()
  assert.deepEqual(
    items.map(({ data, reason }) => [data, reason]),
    [[{ to: 'ada@example.org' }, 'failed 3 times, the last with: away']],
  )
})

test('what is no address is given up at once', async () => {
  await using mails = createTestQueue<Mail>()
  mails.worker(mailer(async () => assert.fail('nothing is to be sent')))
  await mails.queue.add({ to: 'nobody' })
  await mails.clock.advance(1000)
  assert.deepEqual(await mails.queue.getJobCounts(), { waiting: 0, active: 0, failed: 1 })
})
