import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PLANTED_BUGS } from './build/planted-bugs.ts'

/**
 * Plants each known bug, one at a time, and runs what has to notice it, first without the bug: `npm run chaos:mutants --
 * [--only NAME] [--seed S]`. The last line is JSON; exit code 0 only if every bug was caught on a seed that is green
 * without it.
 */
const { values } = parseArgs({
  options: { only: { type: 'string' }, seed: { type: 'string', default: '1' } },
})

const WORLDS = 400
/** Enough gifts that the scenario can show the bug. */
const MESSAGES: Readonly<Record<string, number>> = {
  bare: 2000,
  'insert-kills': 500,
  'redis-loss': 2000,
  'redis-cut': 2000,
  forbidden: 2000,
}

interface Ending {
  isGreen: boolean
  /** The first violation, or how it broke off. */
  why: string
}

const bugs = Object.entries(PLANTED_BUGS).filter(
  ([name]) => values.only === undefined || values.only.split(',').includes(name),
)
const clean = new Map<string, boolean>()
const survivors: string[] = []
for (const [name, { caughtBy }] of bugs) {
  if (!clean.has(caughtBy)) clean.set(caughtBy, (await runCatcher(caughtBy)).isGreen)
  const { isGreen, why } = await runCatcher(caughtBy, name)
  const isCaught = clean.get(caughtBy) === true && !isGreen
  if (!isCaught) survivors.push(name)
  const verdict = isCaught ? 'caught' : clean.get(caughtBy) ? 'SURVIVES' : 'NOT GREEN WITHOUT IT'
  process.stderr.write(`${name}: ${verdict} by ${caughtBy}${isGreen ? '' : `: ${why}`}\n`)
}
const caught = bugs.length - survivors.length
const ok = survivors.length === 0
process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), bugs: bugs.length, caught, ok, survivors })}\n`)
process.exit(ok ? 0 : 1)

function runCatcher(caughtBy: string, bug?: string): Promise<Ending> {
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
  const { seed } = values
  const args =
    caughtBy === 'simulation'
      ? [
          '--import',
          here('build/plant.ts'),
          here('../simulation/simulate.ts'),
          '--seed',
          seed,
          '--runs',
          String(WORLDS),
          '--bail',
          '--json',
        ]
      : [here('run.ts'), '--scenario', caughtBy, '--seed', seed, '--messages', String(MESSAGES[caughtBy] ?? 2000)]
  const env = { ...process.env, ...(bug === undefined ? {} : { PROMOSTREAM_PLANT: bug }) }
  return new Promise(resolve => {
    execFile(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', ...args],
      { env, maxBuffer: 2 ** 28 },
      (error, stdout) => {
        resolve({ isGreen: error === null, why: reasonIn(stdout.trim().split('\n').at(-1) ?? '') })
      },
    )
  })
}

function reasonIn(line: string): string {
  try {
    const said = JSON.parse(line) as { violations: unknown; failures?: { violations: string[] }[] }
    const [first] = said.failures?.[0]?.violations ?? (said.violations as string[])
    return String(first).slice(0, 160)
  } catch {
    return 'no verdict'
  }
}
