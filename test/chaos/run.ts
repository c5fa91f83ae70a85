import { parseArgs } from 'node:util'
import { Random } from '../simulation/random.ts'
import { type ChaosSystem, say, seconds } from '../support/chaos.ts'
import { judge } from './judge.ts'
import type { Scenario } from './scenario.ts'
import { QUICK, SCENARIOS } from './scenarios/all.ts'

/**
 * Faults on real processes: `npm run chaos -- --scenario NAME|quick|all [--messages N] [--seed S] [--json]`. What is not
 * JSON goes to stderr; one verdict a scenario goes to stdout, of several one about all as the last line. Exit code 0 only
 * without a violation.
 */
const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    messages: { type: 'string' },
    seed: { type: 'string', default: '1' },
    /** Accepted for scripts: stdout is JSON always. */
    json: { type: 'boolean', default: false },
  },
})

const seed = wholeNumber('seed', values.seed)
const messages = values.messages === undefined ? undefined : wholeNumber('messages', values.messages)
const names = namesOf(values.scenario)
const verdicts = []
for (const [name, most] of names) verdicts.push(await runScenario(name, most))
if (verdicts.length > 1) {
  const violations = verdicts.flatMap(({ scenario, violations: found }) => found.map(what => `${scenario}: ${what}`))
  const runSeconds = verdicts.reduce((sum, verdict) => sum + verdict.seconds, 0)
  const scenario = values.scenario as string
  const total = verdicts.reduce((sum, verdict) => sum + verdict.messages, 0)
  const ok = violations.length === 0
  print({
    scenario,
    seed,
    messages: total,
    ok,
    violations,
    scenarios: verdicts.length,
    seconds: Math.round(runSeconds),
  })
}
process.exit(verdicts.every(({ ok }) => ok) ? 0 : 1)

async function runScenario(name: string, scenarioMessages: number) {
  const { run, repeats = 0 } = SCENARIOS[name] as Scenario
  say(`— ${name}, seed ${seed}`)
  const startedAt = performance.now()
  const { ChaosSystem: System } = await import('../support/chaos.ts')
  let system: ChaosSystem | undefined
  let verdict: { violations: string[]; figures: Record<string, unknown> } = { violations: [], figures: {} }
  try {
    const start = async (options = {}) => {
      system = await System.start({ ...options, seed })
      return system
    }
    const { figures, checks } = await run({ messages: scenarioMessages, random: new Random(seed), start })
    verdict.violations.push(...Object.keys(checks).filter(check => !checks[check]))
    verdict.figures = figures
    if (system !== undefined) verdict = merge(verdict, await end(system, repeats))
  } catch (error) {
    verdict.violations.push(`broke off: ${(error as Error).stack ?? error}`)
  } finally {
    await system?.close()
  }
  const { violations, figures } = verdict
  const ok = violations.length === 0
  const total = system?.publishedCount() ?? scenarioMessages
  return print({ scenario: name, seed, messages: total, ok, violations, seconds: seconds(startedAt), ...figures })
}

/** Nothing happens any more: what is left to do is done, and judged. */
async function end(system: ChaosSystem, repeats: number) {
  system.samples.watchStandstill()
  const drainedSeconds = await system.drain()
  const { standstillMs } = system.samples
  await system.samples.stop()
  const verdict = await judge(system, { drainedSeconds, standstillMs, repeats })
  const { violations, count } = system.samples
  return {
    violations: [...violations, ...verdict.violations],
    figures: { ...verdict.figures, drainedSeconds, samples: count },
  }
}

type Said = { violations: string[]; figures: Record<string, unknown> }

function merge(one: Said, other: Said): Said {
  return { violations: [...one.violations, ...other.violations], figures: { ...one.figures, ...other.figures } }
}

function print<V extends object>(verdict: V): V {
  process.stdout.write(`${JSON.stringify(verdict)}\n`)
  return verdict
}

/** @returns names, and how many gifts each gets. */
function namesOf(scenario: string | undefined): [name: string, messages: number][] {
  const all = Object.keys(SCENARIOS)
  if (scenario === 'quick') return Object.entries(QUICK).map(([name, few]) => [name, messages ?? few])
  const chosen = scenario === 'all' ? all : all.filter(name => name === scenario)
  if (chosen.length === 0) fail(`--scenario must be quick, all or one of ${all.join(', ')}`)
  return chosen.map(name => [name, messages ?? (SCENARIOS[name] as Scenario).messages])
}

function wholeNumber(option: string, text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : fail(`--${option} must be a whole number, not ${text}`)
}

function fail(line: string): never {
  process.stderr.write(`chaos: ${line}\n`)
  process.exit(2)
}
