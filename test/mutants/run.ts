import { spawn } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startStack } from '#local/embedded-stack.ts'
import { drawBySeed, type Mutant, mutantsOf } from './draw.ts'

/**
 * Plants single-line bugs, one at a time, and sees whether a test notices: `npm run mutants -- --seed 1 --n 100`. First the
 * tests that import the file, then (`--rest`) those that run the whole product. The last line is JSON; exit code 1 when
 * fewer than `--share` of them were caught. `--only src/money` narrows where they are planted.
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
/** A mutant that hangs its tests is caught as well. */
const STAGE_LIMIT_MS = 240_000
const COPIED = ['src', 'queues', 'workers', 'test', 'examples', 'docs', 'docker', 'mikro-orm.config.ts']
const SETTINGS = ['package.json', 'tsconfig.json', 'jest.config.mjs']
const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']

/** Jest's own choice of tests that import the file, cheapest first. */
function stagesOf({ file }: Mutant): string[][] {
  const stages = [
    ['--selectProjects', 'unit', '--findRelatedTests', file],
    ['--selectProjects', 'integration', '--findRelatedTests', file, '--testPathIgnorePatterns', '/process/'],
  ]
  if (file.startsWith('src/stream/')) stages.push(['test/stream/redis-installed'])
  if (values.rest) stages.push(['test/process', 'test/integration/admin'])
  return stages
}

function passes(folder: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  const jest = [...FLAGS, join('node_modules', 'jest', 'bin', 'jest.js'), ...args, '--bail', '--passWithNoTests']
  return endsWell([...jest, '--forceExit'], folder, env)
}

/** What the type checker refuses is no mutant: nobody could commit it. */
const compiles = (folder: string) => endsWell([join('node_modules', 'typescript', 'bin', 'tsc'), '--noEmit'], folder)

async function endsWell(args: readonly string[], cwd: string, env = process.env): Promise<boolean> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: 'ignore', detached: true })
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), STAGE_LIMIT_MS)
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('exit', resolve)
  const code = await promise
  clearTimeout(timer)
  return code === 0
}

async function verdictOn(
  mutant: Mutant,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<'caught' | 'survived' | 'no mutant'> {
  const path = join(folder, mutant.file)
  const original = readFileSync(path, 'utf8')
  writeFileSync(path, mutant.text)
  try {
    if (!(await compiles(folder))) return 'no mutant'
    for (const stage of stagesOf(mutant)) if (!(await passes(folder, stage, env))) return 'caught'
    return 'survived'
  } finally {
    writeFileSync(path, original)
  }
}

/** Without a change every test passes; else what follows would say nothing. */
async function assertGreen(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (const args of [
    ['--selectProjects', 'unit'],
    ['--selectProjects', 'integration', '--testPathIgnorePatterns', '/process/'],
  ])
    if (!(await passes(folder, args, env))) throw new Error(`without a mutant the tests fail: ${args.join(' ')}`)
}

function copyOfProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-mutants-'))
  for (const name of [...COPIED, ...SETTINGS]) cpSync(name, join(folder, name), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'))
  return folder
}

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
  const folder = copyOfProject()
  const stack = await startStack({ env: process.env, money: { latencyMs: 5 }, onProgress: () => undefined })
  const survivors: string[] = []
  const counts = { caught: 0, survived: 0, 'no mutant': 0 }
  try {
    const env = { ...process.env, ...stack.env, CI: 'true' }
    await assertGreen(folder, env)
    for (const mutant of drawn) {
      const verdict = await verdictOn(mutant, folder, env)
      counts[verdict] += 1
      print(`${verdict} ${told(mutant)}`)
      if (verdict === 'survived') survivors.push(told(mutant))
      if (counts.caught + counts.survived === wanted) break
    }
  } finally {
    await stack.close()
    rmSync(folder, { recursive: true })
  }
  const mutants = counts.caught + counts.survived
  const share = counts.caught / Math.max(1, mutants)
  print(JSON.stringify({ seed: Number(values.seed), mutants, caught: counts.caught, share, survivors }))
  process.exitCode = share >= Number(values.share) ? 0 : 1
}
