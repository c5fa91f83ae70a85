import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { isThorough } from '#test/support/slow-test.ts'
import { type Outcome, WorkModel } from '#test/support/work-model.ts'

/**
 * The worker's accounting against a server that forgets, repeats, loses answers and hands to others. The real code runs:
 * slots, leases, recovery, runner, acker, suspects' lane; only handlers and timers are the model's, and the server is the
 * one inside the process.
 */

const CONCURRENCY = 5
/** In `npm run test:all`; `npm test` tries a tenth. */
const RUNS = isThorough ? 540 : 54
/** Most runs are long; about 200 steps each, more or less when they are few. */
const STEPS = RUNS * (isThorough ? 150 : 100)
let steps = 0
/** Runs in which the server handed out what ran: without them nothing is said of it. */
let repeatingRuns = 0

class Step implements fc.AsyncCommand<object, WorkModel> {
  readonly #name: string
  readonly #run: (model: WorkModel) => Promise<void> | void

  constructor(name: string, run: (model: WorkModel) => Promise<void> | void) {
    this.#name = name
    this.#run = run
  }

  check(): boolean {
    return true
  }

  async run(_: object, model: WorkModel): Promise<void> {
    if (model.isClosed) return
    await this.#run(model)
    await model.turn()
    steps += 1
    expect(model.broken(CONCURRENCY)).toEqual([])
  }

  toString(): string {
    return this.#name
  }
}

const step = (name: string, run: (model: WorkModel) => Promise<void> | void) => fc.constant(new Step(name, run))
const count = fc.integer({ min: 1, max: 8 })
const which = fc.nat({ max: 1000 })
const outcome = fc.constantFrom<Outcome>('done', 'later', 'fail', 'dead')
const add = count.map(many => new Step(`add ${many}`, model => model.add(many)))
const read = step('read', model => model.read())
/** As a worker does several times a second: without it nothing runs any more once anything was lost. */
const round = step('look, and read', async model => {
  model.maintain(0)
  await model.turn()
  model.read()
})
const readTwice = step('read, and read again meanwhile', model => {
  model.read()
  model.read()
})
const end = fc.tuple(which, outcome).map(([at, how]) => new Step(`${how} ${at}`, model => model.end(at, how)))

/** Slots become free, and some handlers go on: else nothing would be read while something runs. */
const several = fc.tuple(count, which).map(([many, at]) => {
  return new Step(`${many} done from ${at} on`, model => {
    for (let left = many; left > 0; left--) model.end(at, 'done')
  })
})

const remake = step('another has made the group again, at 0', model => model.remakeGroup())
const resume = step('resume', model => model.work.open())

const commands = fc.commands(
  [
    ...[add, add, add, read, readTwice, round, round, round, round, round, round, end, end, end, several],
    step('claim and renew', model => model.maintain(0)),
    step('claim and renew after standing still', model => model.maintain(60_000)),
    step('time passes', model => model.wait(1000)),
    step('keep a copy', model => model.keepCopy()),
    step('repeat: the copy comes back', model => model.restoreCopy()),
    step('lose an answer', model => model.loseAnswers()),
    step('the group is gone', model => model.destroyGroup()),
    ...[remake, remake, remake],
    which.map(at => new Step(`another takes ${at}`, model => model.giveToOther(at))),
    step('another reads and dies', model => model.otherReads()),
    step('another reads what goes, and dies', model => model.otherReadsWhatGoes()),
    which.map(at => new Step(`${at} is deleted`, model => model.deleteEntry(at))),
    count.map(left => new Step(`trimmed to ${5 * left}`, model => model.trim(5 * left))),
    step('pause', model => model.work.shut()),
    resume,
    resume,
    resume,
  ],
  { maxCommands: 400, size: 'max' },
)

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'] })
})
afterEach(() => {
  jest.useRealTimers()
})

test('in flight is never below 0 nor above the concurrency, no entry runs twice at once, and close ends', async () => {
  await fc.assert(
    fc.asyncProperty(commands, fc.boolean(), async (drawn, isInMiddle) => {
      const model = await WorkModel.start(CONCURRENCY)
      await fc.asyncModelRun(() => ({ model: {}, real: model }), drawn)
      if (!isInMiddle) await model.endAll()
      await model.close()
      expect(model.broken(CONCURRENCY)).toEqual([])
      expect([model.work.inFlight, model.work.active]).toEqual([0, 0])
      // What a handler says after that changes nothing.
      await model.endAll()
      expect([model.work.inFlight, model.work.active]).toEqual([0, 0])
      if (model.handedOutAgain > 0) repeatingRuns += 1
    }),
    { numRuns: RUNS },
  )
  expect(steps).toBeGreaterThan(STEPS)
  expect(repeatingRuns).toBeGreaterThan(RUNS / 2)
}, 240_000)

test('what is handed out again while it runs, by a group that was made again, is not begun again, and its slots come back', async () => {
  const model = await WorkModel.start(CONCURRENCY)
  model.add(2)
  model.read()
  await model.turn()
  model.destroyGroup()
  for (let round = 0; round < 3; round++) {
    model.maintain(0)
    await model.turn()
  }
  model.read()
  await model.turn()
  expect([model.handedOutAgain, model.broken(CONCURRENCY), model.work.inFlight]).toEqual([2, [], 2])
  await model.endAll()
  expect([model.work.inFlight, model.work.active]).toEqual([0, 0])
  await model.close()
})
