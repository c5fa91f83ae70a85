import { globSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { startStack } from '#local/embedded-stack.ts'
import { drawBySeed, type Mutant, mutantsOf } from './draw.ts'
import { MutantTrial } from './trial.ts'

/**
 * Plants single-line bugs, one at a time, and sees whether a test notices: `npm run mutants -- --seed 1 --n 100`. First the
 * tests that import the file, those without a server before the others, then (`--rest`) those that run the whole product.
 * The last line is JSON; exit code 1 when fewer than `--share` of them were caught. `--only src/money` narrows where they
 * are planted.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    n: { type: 'string', default: '100' },
    share: { type: 'string', default: '0.85' },
    only: { type: 'string', default: '' },
    rest: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})

const ROOMS = 'src/{promotion,database,money,kafka,listeners,stream,admin/security}/**/*.ts'

const print = (line: string) => process.stdout.write(`${line}\n`)
const files = globSync(ROOMS).filter(file => file.startsWith(values.only) && !file.includes('/migrations/'))
const all = files.sort().flatMap(file => mutantsOf(file, readFileSync(file, 'utf8')))
const wanted = Number(values.n)
/** Some of them will not compile. */
const drawn = drawBySeed(all, values.list ? wanted : 2 * wanted, Number(values.seed))
print(`${all.length} mutants in ${files.length} files; ${wanted} drawn by seed ${values.seed}`)
const told = ({ file, line, before, after }: Mutant) => `${file}:${line} «${before.trim()}» → «${after}»`
if (values.list) for (const mutant of drawn) print(told(mutant))
else {
  const stack = await startStack({ env: process.env, money: { latencyMs: 5 }, onProgress: () => undefined })
  const trial = new MutantTrial({ ...process.env, ...stack.env, CI: 'true' }, values.rest)
  const survivors: string[] = []
  const counts = { caught: 0, survived: 0, unsettled: 0, 'no mutant': 0 }
  try {
    for (const mutant of drawn) {
      const startedAt = performance.now()
      const { verdict, by } = await trial.verdictOn(mutant)
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
