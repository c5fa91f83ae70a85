import { expect, test } from '@jest/globals'
import { commandsOf, runWell } from '../../support/doc-shell.ts'

/** As a terminal would start it, not a test. */
const { JEST_WORKER_ID: _, TEST_THOROUGH: __, NODE_ENV: ___, ...env } = process.env

const COMMANDS = commandsOf('docs/reliability.md', 'npm run chaos -- --scenario ').filter(
  command => !command.includes('NAME'),
)

test('the page names scenarios', () => {
  expect(COMMANDS.length).toBeGreaterThan(3)
})

test.each(COMMANDS)(
  '%s measures, and finds nothing violated',
  async command => {
    const { stdout } = await runWell(`${command} --messages 300 --seed 1 --json`, { env, timeoutMs: 280_000 })
    const verdict = JSON.parse(stdout.trim().split('\n').at(-1)!)
    expect(verdict).toMatchObject({ scenario: command.split(' ').at(-1), ok: true, violations: [] })
  },
  300_000,
)
