import { expect, test } from '@jest/globals'
import { settleBatch } from '#listeners/settle-batch.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { createProcessorHarness, ORIGIN } from '#test/support/processor-harness.ts'

const deps = () => ({
  retryer: createRetryer({ maxRetries: 4, initialDelayMs: 1, maxDelayMs: 2 }),
  logger: createLogger('test', 'silent'),
  signal: new AbortController().signal,
})

test('insert fails, then succeeds while the entry cannot be added, then it can: one row, one entry, without a sweep', async () => {
  const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
  harness.fail.set('insert', new Error('PostgreSQL is away'))
  harness.fail.set('enqueue', new Error('Redis is away'))
  let insertsBefore = 0
  const heal = (step: string, after: number) => {
    if (harness.calls.filter(call => call === step).length >= after) harness.fail.delete(step)
  }
  const work = async () => {
    heal('insert', 2)
    heal('enqueue', 1)
    return harness.processor.processTopicMessage(harness.json(), ORIGIN)
  }
  const results = await settleBatch([work], {
    ...deps(),
    retryer: (again, signal) =>
      createRetryer({ maxRetries: 6, initialDelayMs: 1, maxDelayMs: 2 })(async () => {
        heal('enqueue', 2)
        return again()
      }, signal),
  })
  insertsBefore = harness.calls.filter(call => call === 'insert').length
  expect(results).toEqual(['inserted'])
  expect(insertsBefore).toBe(3)
  expect(harness.calls.filter(call => call === 'enqueue')).toHaveLength(3)
  expect(harness.rows.size).toBe(1)
})

test('what is done is not done again for what is not', async () => {
  const done: string[] = []
  let tries = 0
  const results = await settleBatch(
    [
      async () => done.push('first'),
      async () => {
        tries += 1
        if (tries < 3) throw new Error('not yet')
        return 'second'
      },
    ],
    deps(),
  )
  expect([results, done, tries]).toEqual([[1, 'second'], ['first'], 3])
})

test('a stop ends the waiting', async () => {
  const abort = new AbortController()
  const settling = settleBatch(
    [
      async () => {
        abort.abort(new Error('stopping'))
        throw new Error('never')
      },
    ],
    { ...deps(), signal: abort.signal },
  )
  await expect(settling).rejects.toThrow('stopping')
})
