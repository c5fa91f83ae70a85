import { brokenBy, failOver } from '../../support/stream-failover.ts'
import type { Scenario } from '../scenario.ts'

/** The stream framework alone: again and again Redis is replaced by an older copy of itself while workers empty a stream. */
export const streamFailover: Scenario = {
  about: 'Redis replaced by an older copy of itself, again and again, under the stream framework alone',
  messages: 20_000,
  run: async ({ messages }) => {
    const run = {
      entries: messages,
      losses: Math.max(3, Math.min(20, Math.round(messages / 1000))),
      workers: 2,
      concurrency: 400,
      jobMs: 1000,
      lostMs: 1000,
      minIdleMs: 5000,
    }
    const report = await failOver(run)
    return { figures: { ...report }, checks: Object.fromEntries(brokenBy(report, run).map(what => [what, false])) }
  },
}
