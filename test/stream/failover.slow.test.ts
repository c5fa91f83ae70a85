import { expect, test } from '@jest/globals'
import { brokenBy, failOver } from '../support/stream-failover.ts'

const RUN = { entries: 900, losses: 3, concurrency: 100, jobMs: 1500, lostMs: 400, minIdleMs: 5000 }

test.each([1, 2])(
  'a failover that forgets the last moment, three times, with %i workers: each entry is handled, as often as forgotten at most, slots are whole, close ends',
  async workers => {
    const run = { ...RUN, workers }
    expect(brokenBy(await failOver(run), run)).toEqual([])
  },
  120_000,
)
