import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { createLoopWatch } from '#runtime/loop-watch.ts'

const BOUND_MS = 60_000

describe('a loop that stands still', () => {
  let nowMs = 0
  let turnedAtMs = 0
  let isServerThere = true
  let ended: string[] = []

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
    ;[nowMs, turnedAtMs, isServerThere, ended] = [0, 0, true, []]
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  async function watch(stallTimeoutMs = BOUND_MS) {
    const loop = {
      name: 'loop',
      get ageMs() {
        return nowMs - turnedAtMs
      },
    }
    const probe = async () => {
      if (!isServerThere) throw new Error('away')
    }
    const service = createLoopWatch({
      loops: [{ loop, needs: [{ name: 'server', probe }] }],
      stallTimeoutMs,
      fatal: error => ended.push(error.message),
      logger: { warn: () => undefined },
      now: () => nowMs,
    })
    await service.start()
    return service
  }

  /** Lets time pass as a process lives it: a tick each second. */
  async function pass(ms: number) {
    for (let passed = 0; passed < ms; passed += 1000) {
      nowMs += 1000
      jest.advanceTimersByTime(1000)
      await turn()
    }
  }

  test('although all that it needs answers ends the process, after the bound and once', async () => {
    await using _ = await watch()
    await pass(BOUND_MS)
    expect(ended).toEqual([])
    await pass(BOUND_MS)
    expect(ended).toEqual([expect.stringMatching(/^loop has stood still for \d+ s although what it needs works$/)])
  })

  test('because its server is away does not, however long; nor does what began before it came back', async () => {
    await using _ = await watch()
    isServerThere = false
    await pass(BOUND_MS * 20)
    isServerThere = true
    await pass(BOUND_MS)
    expect(ended).toEqual([])
    turnedAtMs = nowMs
    await pass(BOUND_MS)
    expect(ended).toEqual([])
  })

  test('and comes round again in time does not', async () => {
    await using _ = await watch()
    for (let round = 0; round < 10; round += 1) {
      await pass(BOUND_MS)
      turnedAtMs = nowMs
    }
    expect(ended).toEqual([])
  })

  test('because the whole process was frozen does not: an hour without a tick is no standstill', async () => {
    await using _ = await watch()
    await pass(5000)
    turnedAtMs = nowMs
    for (let freeze = 0; freeze < 5; freeze += 1) {
      nowMs += 3_600_000
      await pass(5000)
    }
    expect(ended).toEqual([])
  })

  test('with a bound of 0 never does', async () => {
    await using _ = await watch(0)
    await pass(BOUND_MS * 10)
    expect(ended).toEqual([])
  })
})
