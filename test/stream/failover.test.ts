import { expect, test } from '@jest/globals'
import { brokenBy, failOver } from '../support/stream-failover.ts'

test('a failover that forgets the last moment, three times: each entry is handled, slots are whole, close ends', async () => {
  const run = { entries: 1500, losses: 3, workers: 2, concurrency: 50, jobMs: 200, lostMs: 400, minIdleMs: 2000 }
  expect(brokenBy(await failOver(run), run)).toEqual([])
}, 120_000)
