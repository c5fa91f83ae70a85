import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { startStack } from '#local/embedded-stack.ts'
import { drawBySeed, type Mutant } from './draw.ts'
import { isEquivalent } from './equivalent.ts'
import { allMutants } from './rooms.ts'
import { TestMap } from './test-map.ts'
import { MAP, MutantTrial } from './trial.ts'

/**
 * Plants single-line bugs, one at a time, and sees whether a test notices: `npm run mutants -- --seed 1 --n 100`. First it
 * measures which test file runs which place, where that is not known yet; then each bug is shown to those that run its
 * place, those without a server first, and to 300 simulated worlds; `--rest` measures and asks those that run whole processes too.
 * The last line is JSON; exit code 1 when fewer than `--share` of them were caught. `--only src/money` narrows where they
 * are planted; `--unrun` lists those whose place no measured test runs; `--again FILE` tries only the survivors of an earlier run, whose output FILE is.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    n: { type: 'string', default: '100' },
    share: { type: 'string', default: '0.85' },
    only: { type: 'string', default: '' },
    again: { type: 'string' },
    rest: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    unrun: { type: 'boolean', default: false },
  },
})

const print = (line: string) => process.stdout.write(`${line}\n`)
const told = ({ file, line, before, after }: Mutant) => `${file}:${line} «${before.trim()}» → «${after}»`
/** A survivor is found again though its line has moved. */
const withoutLine = (text: string) => text.replace(/:\d+ /, ' ')

const all = allMutants().filter(({ file }) => file.startsWith(values.only))
const wanted = Number(values.n)
/** Some of them will not compile. */
const drawn =
  values.again === undefined ? drawBySeed(all, values.list ? wanted : 2 * wanted, Number(values.seed)) : again()
print(`${all.length} mutants; ${wanted} drawn by seed ${values.seed}`)
if (values.list) for (const mutant of drawn) print(told(mutant))
else if (values.unrun) listUnrun()
else await tryAll()

function again(): Mutant[] {
  const last = readFileSync(values.again as string, 'utf8')
    .trim()
    .split('\n')
    .at(-1) as string
  const survivors = new Set((JSON.parse(last).survivors as string[]).map(withoutLine))
  return all.filter(mutant => survivors.has(withoutLine(told(mutant))))
}

function listUnrun(): void {
  const map = new TestMap(MAP, '.')
  for (const mutant of all) if (map.testsOf(mutant.file, mutant.at).length === 0) print(told(mutant))
}

async function tryAll(): Promise<void> {
  const stack = await startStack({ env: process.env, money: { latencyMs: 5 }, onProgress: () => undefined })
  const trial = new MutantTrial({ ...process.env, ...stack.env, CI: 'true' }, values.rest)
  const survivors: string[] = []
  const counts = { caught: 0, survived: 0, equivalent: 0, 'no mutant': 0 }
  try {
    const { measured, failed } = await trial.measure()
    print(`${measured.length} test files measured`)
    for (const test of failed) print(`${test} fails without any bug, and is not asked`)
    for (const mutant of drawn) {
      const startedAt = performance.now()
      const { verdict, by } = isEquivalent(mutant)
        ? { verdict: 'equivalent' as const, by: '' }
        : await trial.verdictOn(mutant)
      counts[verdict] += 1
      print(`${verdict}${by} ${told(mutant)} (${Math.round((performance.now() - startedAt) / 1000)} s)`)
      if (verdict === 'survived') survivors.push(told(mutant))
      if (counts.caught + counts.survived === wanted) break
    }
  } finally {
    await stack.close()
    trial.close()
  }
  const mutants = counts.caught + counts.survived
  const share = counts.caught / Math.max(1, mutants)
  print(JSON.stringify({ seed: Number(values.seed), mutants, ...counts, share, survivors }))
  process.exitCode = share >= Number(values.share) ? 0 : 1
}
