import { parseArgs } from 'node:util'
import { brokenBy, failOver } from '../support/stream-failover.ts'

/**
 * The stream framework alone: again and again Redis is replaced by an older copy of itself while workers empty a stream.
 * Exit code 0 only if each entry was handled, nothing is left or in flight, entries ran again at most as often as the
 * server forgot them, and `close` took 2 s at most. `npm run chaos:failover -- --entries 20000 --losses 20`
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '20000' },
    losses: { type: 'string', default: '20' },
    workers: { type: 'string', default: '2' },
    concurrency: { type: 'string', default: '400' },
    'job-ms': { type: 'string', default: '1000' },
    'lost-ms': { type: 'string', default: '1000' },
    'min-idle': { type: 'string', default: '5000' },
  },
})
const run = {
  entries: Number(values.entries),
  losses: Number(values.losses),
  workers: Number(values.workers),
  concurrency: Number(values.concurrency),
  jobMs: Number(values['job-ms']),
  lostMs: Number(values['lost-ms']),
  minIdleMs: Number(values['min-idle']),
}
const report = await failOver(run)
const broken = brokenBy(report, run)
process.stdout.write(`${JSON.stringify({ ...report, broken })}\n`)
process.exitCode = broken.length === 0 ? 0 : 1
