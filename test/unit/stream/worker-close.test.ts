import { once } from 'node:events'
import { expect, test } from '@jest/globals'
import { createTestQueue } from '#stream/index.ts'

/** A worker that is closed while its only handler is under way, and the signal that this was given. */
async function closing(close: 'close' | 'force' | 'deadline' | 'dispose') {
  await using mails = createTestQueue()
  const gate = Promise.withResolvers<void>()
  let signal: AbortSignal | undefined
  const worker = mails.worker(async (_job, given) => {
    signal = given
    await Promise.race([gate.promise, once(given, 'abort')])
  })
  const active = once(worker, 'active')
  await mails.queue.add({ to: 'ada' })
  await active
  const deadline = new AbortController()
  const calls = {
    close: () => worker.close(),
    force: () => worker.close(true),
    deadline: () => worker.close(false, deadline.signal),
    dispose: () => worker[Symbol.asyncDispose](),
  }
  const closed = calls[close]()
  await mails.clock.advance(5000)
  const wasAborted = signal?.aborted
  deadline.abort()
  await mails.clock.advance(5000)
  const isAborted = signal?.aborted
  gate.resolve()
  await closed
  return { wasAborted, isAborted }
}

test.each(['close', 'dispose'] as const)('%s lets handlers finish, however long they take', async how => {
  expect(await closing(how)).toEqual({ wasAborted: false, isAborted: false })
})

test('by force they are told at once', async () => {
  expect(await closing('force')).toEqual({ wasAborted: true, isAborted: true })
})

test('with a deadline they are told when it has come', async () => {
  expect(await closing('deadline')).toEqual({ wasAborted: false, isAborted: true })
})
