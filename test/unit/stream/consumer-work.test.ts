import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { WorkModel } from '#test/support/work-model.ts'

const CONCURRENCY = 5
/** So many delayed entries wait at most, before nothing more is read. */
const MOST_DELAYED = 1000 + 2 * CONCURRENCY

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'] })
})
afterEach(() => {
  jest.useRealTimers()
})

test('what may have died with its process, or only have been read in a lost reply, is begun one at a time', async () => {
  const model = await WorkModel.start(CONCURRENCY)
  model.add(2)
  // A read that brings both and a claim, both under way: neither reply comes.
  model.loseAnswers(2)
  model.read()
  model.maintain(0)
  await model.turn()
  model.maintain(0)
  await model.turn()
  model.read()
  await model.turn()
  expect(model.work.inFlight).toBe(1)
  model.end(0, 'done')
  // Until it is acknowledged.
  for (let turns = 0; turns < 5; turns++) await model.turn()
  model.read()
  await model.turn()
  expect(model.work.inFlight).toBe(1)
  await model.endAll()
  await model.close()
})

test('handlers that put everything off: nothing more is read from a bound on, and all is when its time has come', async () => {
  const model = await WorkModel.start(CONCURRENCY)
  model.add(2 * MOST_DELAYED)
  let delayed = 0
  while (model.work.canRead && delayed < 2 * MOST_DELAYED) {
    model.read()
    await model.turn()
    for (; model.work.inFlight > 0; delayed += 1) {
      model.end(0, 'later')
      await model.turn()
    }
  }
  expect(delayed).toBeGreaterThanOrEqual(MOST_DELAYED)
  expect(delayed).toBeLessThan(MOST_DELAYED + CONCURRENCY)
  expect([model.work.canRead, model.work.ready]).toEqual([false, 0])
  model.wait(500)
  await model.turn()
  expect(model.work.ready).toBe(delayed)
  model.read()
  await model.turn()
  await model.endAll()
  expect(model.work.ready).toBe(delayed - CONCURRENCY)
  await model.close()
})
