import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ProjectCopy } from '../mutants/project-copy.ts'
import type { Invariant, NamedTest, PlantedBug } from './build/planted-bug.ts'
import { PLANTED_BUGS } from './build/planted-bugs.ts'
import { edited, sourceOf } from './build/source-edits.ts'

/**
 * Plants each known bug, one at a time, and runs what has to notice it, first without the bug: `npm run chaos:mutants --
 * [--only NAME] [--seed S]`. The last line is JSON: also which invariant of the judge of fault runs which bug was seen to
 * break. Exit code 0 only if every bug was caught on a seed that is green without it, by the invariant that it names.
 */
const { values } = parseArgs({
  options: { only: { type: 'string' }, seed: { type: 'string', default: '1' } },
})

const WORLDS = 1000
const TEST_LIMIT_MS = 300_000
/** Enough gifts that the scenario can show the bug. */
const MESSAGES: Readonly<Record<string, number>> = {
  bare: 2000,
  'insert-kills': 500,
  'redis-loss': 2000,
  'redis-cut': 2000,
  forbidden: 2000,
  'odd-messages': 500,
  'money-faults': 500,
  frozen: 800,
  'money-systemic': 500,
  'redis-silent': 1200,
}

interface Ending {
  isGreen: boolean
  /** What was violated, or how it broke off. */
  violations: string[]
}

const bugs = Object.entries(PLANTED_BUGS).filter(
  ([name]) => values.only === undefined || values.only.split(',').includes(name),
)
const clean = new Map<string, boolean>()
const survivors: string[] = []
/** Which bugs the judge of fault runs has noticed by which invariant. */
const brokenBy: Partial<Record<Invariant, string[]>> = {}
for (const [name, { caughtBy, breaks }] of bugs) {
  const catcher = typeof caughtBy === 'string' ? caughtBy : `${caughtBy.path} «${caughtBy.title}»`
  if (!clean.has(catcher)) clean.set(catcher, (await runCatcher(caughtBy)).isGreen)
  const { isGreen, violations } = await runCatcher(caughtBy, name)
  const broken = invariantsIn(violations)
  const isCaught = clean.get(catcher) === true && !isGreen && (breaks === undefined || broken.has(breaks))
  if (!isCaught) survivors.push(name)
  else if (typeof caughtBy === 'string' && caughtBy !== 'simulation')
    for (const invariant of broken) brokenBy[invariant] = [...(brokenBy[invariant] ?? []), name]
  const verdict = isCaught ? 'caught' : clean.get(catcher) ? 'SURVIVES' : 'NOT GREEN WITHOUT IT'
  const found = isGreen ? '' : `: ${violations.map(what => what.slice(0, 160)).join(' · ')}`
  process.stderr.write(`${name}: ${verdict} by ${catcher}${found}\n`)
}
const caught = bugs.length - survivors.length
const ok = survivors.length === 0
const seed = Number(values.seed)
process.stdout.write(`${JSON.stringify({ seed, bugs: bugs.length, caught, ok, survivors, brokenBy })}\n`)
process.exit(ok ? 0 : 1)

function runCatcher(caughtBy: PlantedBug['caughtBy'], bug?: string): Promise<Ending> {
  return typeof caughtBy === 'string' ? runFaults(caughtBy, bug) : runTest(caughtBy, bug)
}

/** In a copy of the project: Jest loads sources by itself. */
async function runTest({ project, path, title }: NamedTest, bug?: string): Promise<Ending> {
  const copy = new ProjectCopy()
  const texts: Record<string, string> = {}
  for (const edit of bug === undefined ? [] : (PLANTED_BUGS[bug] as PlantedBug).edits)
    texts[edit.file] = edited(texts[edit.file] ?? sourceOf(edit), edit)
  try {
    // Slow ones too.
    const ignored = ['--testPathIgnorePatterns', '/node_modules/']
    const args = ['--selectProjects', project, '--runTestsByPath', path, '--testNamePattern', title, ...ignored]
    const ending = await copy.planted(texts, () => copy.jest(args, process.env, TEST_LIMIT_MS))
    return { isGreen: ending === 'passed', violations: [`the test ${ending}`] }
  } finally {
    copy.remove()
  }
}

function runFaults(caughtBy: string, bug?: string): Promise<Ending> {
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
        resolve({ isGreen: error === null, violations: violationsIn(stdout.trim().split('\n').at(-1) ?? '') })
      },
    )
  })
}

function violationsIn(line: string): string[] {
  try {
    const said = JSON.parse(line) as { violations: unknown; failures?: { violations: string[] }[] }
    return said.failures?.[0]?.violations ?? (said.violations as string[])
  } catch {
    return ['no verdict']
  }
}

function invariantsIn(violations: readonly string[]): Set<Invariant> {
  const named = violations.map(what => /^I[1-7](?=[: ])/.exec(what)?.[0])
  return new Set(named.filter(name => name !== undefined) as Invariant[])
}
