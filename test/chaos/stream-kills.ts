import { parseArgs } from 'node:util'
import { killWorkers } from '../support/stream-kills.ts'

/**
 * The stream framework alone: workers are killed with SIGKILL at random while they empty a stream. Exit code 0 only if
 * each entry was handled, none is left, and what a dead one held was taken over within min-idle + 3 s.
 * `npm run chaos:stream -- --entries 20000 --kills 50 --min-idle 3000`
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '20000' },
    kills: { type: 'string', default: '50' },
    workers: { type: 'string', default: '3' },
    'min-idle': { type: 'string', default: '3000' },
    'job-ms': { type: 'string', default: '250' },
    concurrency: { type: 'string', default: '50' },
  },
})
const minIdleMs = Number(values['min-idle'])
const report = await killWorkers({
  entries: Number(values.entries),
  kills: Number(values.kills),
  workers: Number(values.workers),
  minIdleMs,
  jobMs: Number(values['job-ms']),
  concurrency: Number(values.concurrency),
})
process.stdout.write(`${JSON.stringify(report)}\n`)
const { missing, left, pending, deadLetters, recoveryMsMax } = report
process.exitCode = missing + left + pending + deadLetters === 0 && recoveryMsMax <= minIdleMs + 3000 ? 0 : 1
