import { expect, test } from '@jest/globals'
import { settleBatch } from '#listeners/settle-batch.ts'
import type { DoStep } from '#promotion/intake/gift-intake.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer, type Retryer } from '#runtime/retryer.ts'
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
  const heal = (step: string, after: number) => {
    if (harness.calls.filter(call => call === step).length >= after) harness.fail.delete(step)
  }
  const works = [(doStep: DoStep) => harness.processor.processTopicMessage(harness.json(), ORIGIN, doStep)]
  const results = await settleBatch(works, {
    ...deps(),
    retryer: (again, signal) =>
      createRetryer({ maxRetries: 6, initialDelayMs: 1, maxDelayMs: 2 })(async () => {
        heal('insert', 2)
        heal('enqueue', 2)
        return again()
      }, signal),
  })
  expect(results).toEqual(['inserted'])
  expect(harness.calls).toEqual(['insert', 'insert', 'insert', 'enqueue', 'enqueue', 'enqueue'])
  expect(harness.rows.size).toBe(1)
})

test('what is done is not done again for what is not', async () => {
  const done: string[] = []
  let tries = 0
  const results = await settleBatch(
    [
      doStep => doStep<unknown>(async () => done.push('first')),
      doStep =>
        doStep<unknown>(async () => {
          tries += 1
          if (tries < 3) throw new Error('not yet')
          return 'second'
        }),
    ],
    deps(),
  )
  expect([results, done, tries]).toEqual([[1, 'second'], ['first'], 3])
})

test('a stop ends the waiting', async () => {
  const abort = new AbortController()
  const settling = settleBatch(
    [
      doStep =>
        doStep(async () => {
          abort.abort(new Error('stopping'))
          throw new Error('never')
        }),
    ],
    { ...deps(), signal: abort.signal },
  )
  await expect(settling).rejects.toThrow('stopping')
})

test.each<[string, Retryer]>([
  ['tries once more', work => work()],
  ['tries several times', work => work().catch(work)],
])('a step that fails as the stop comes is not begun again by a retryer that %s', async (_name, retryer) => {
  const abort = new AbortController()
  let calls = 0
  const step = (doStep: DoStep) =>
    doStep(async () => {
      calls += 1
      if (calls === 2) abort.abort(new Error('stopping'))
      throw new Error('away')
    })
  await expect(settleBatch([step], { ...deps(), retryer, signal: abort.signal })).rejects.toThrow('stopping')
  expect(calls).toBe(2)
})

test('steps that outlast the retryer wait together, are told of in one line, and go on by themselves', async () => {
  const lines: unknown[] = []
  const logger = { warn: (fields: { left: number }) => lines.push(fields.left) } as never
  let isAway = true
  const once: Retryer = work => work()
  const step = (name: string) => (doStep: DoStep) =>
    doStep(async () => {
      if (isAway) throw new Error('away')
      return name
    })
  const settling = settleBatch([step('a'), step('b'), async () => 'c'], { ...deps(), retryer: once, logger })
  setImmediate(() => {
    isAway = false
  })
  expect(await settling).toEqual(['a', 'b', 'c'])
  expect(lines).toEqual([2])
})
