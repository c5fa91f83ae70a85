import { killWorkers } from '../../support/stream-kills.ts'
import type { Scenario } from '../scenario.ts'

const MIN_IDLE_MS = 3000

/** The stream framework alone: workers are killed with SIGKILL at random while they empty a stream. */
export const streamKills: Scenario = {
  about: 'workers of the stream framework alone killed at random; taken over within min-idle + 3 s',
  messages: 20_000,
  run: async ({ messages, random }) => {
    const report = await killWorkers(
      {
        entries: messages,
        kills: Math.max(5, Math.min(50, Math.round(messages / 400))),
        workers: 3,
        minIdleMs: MIN_IDLE_MS,
        jobMs: 250,
        concurrency: 50,
      },
      () => random.next(),
    )
    const { missing, left, pending, deadLetters, recoveryMsMax } = report
    return {
      figures: { ...report },
      checks: {
        eachWasHandled: missing === 0,
        nothingLeft: left + pending === 0,
        noDeadLetters: deadLetters === 0,
        takenOverInTime: recoveryMsMax <= MIN_IDLE_MS + 3000,
      },
    }
  },
}
