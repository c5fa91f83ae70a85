import type { Mutant } from './draw.ts'
import { type Ending, ProjectCopy } from './project-copy.ts'

/** `unsettled`: its tests also fail, or take too long, without it, so that nothing is said. */
export type MutantVerdict = 'caught' | 'survived' | 'unsettled' | 'no mutant'

/** Of all tests of a stage, in ms. */
const STAGE_LIMIT_MS = 300_000

/** Tests that start processes, or take their time. */
const WHOLE_PRODUCT = '/process/|\\.slow\\.test\\.ts$'

const ASKED_OR_SLOW = '\\.slow\\.test\\.ts$|/redis-memory\\.|/redis-installed\\.'

/** Tests of how the project is laid out, which a copy of a part of it breaks. */
const LAYOUT = '/architecture/'

const STREAM = ['--selectProjects', 'stream']
const MEMORY_SUITE = 'test/stream/redis-memory.slow.test.ts'

/** Jest's own choice of tests that import the file, cheapest first; the last ones run the whole product. */
function stagesOf(file: string, hasRest: boolean): string[][] {
  const stages = [['--selectProjects', 'unit', '--findRelatedTests', file, '--testPathIgnorePatterns', LAYOUT]]
  if (file.startsWith('src/stream/')) {
    // Patterns of the command line stand for those that leave out slow tests.
    stages.push([...STREAM, '--testPathIgnorePatterns', LAYOUT, '--runTestsByPath', MEMORY_SUITE])
    stages.push([...STREAM, '--runTestsByPath', 'test/stream/redis-installed.test.ts'])
    stages.push([...STREAM, '--findRelatedTests', file, '--testPathIgnorePatterns', ASKED_OR_SLOW])
  }
  stages.push([
    '--selectProjects',
    'integration',
    '--findRelatedTests',
    file,
    '--testPathIgnorePatterns',
    WHOLE_PRODUCT,
  ])
  if (hasRest) stages.push(['--selectProjects', 'integration', 'test/process'])
  return stages
}

/** Tries one mutant after the other, and whether what noticed it is silent without it. */
export class MutantTrial {
  readonly #copy = new ProjectCopy(STAGE_LIMIT_MS)
  readonly #env: NodeJS.ProcessEnv
  readonly #hasRest: boolean
  /** How test files, and stages, end when nothing is planted. */
  readonly #clean = new Map<string, Ending>()

  constructor(env: NodeJS.ProcessEnv, hasRest: boolean) {
    this.#env = env
    this.#hasRest = hasRest
  }

  async verdictOn(mutant: Mutant): Promise<{ verdict: MutantVerdict; by: string }> {
    const { file, text } = mutant
    const isMutant = await this.#copy.planted({ [file]: text }, () => this.#copy.typeCheck())
    // What the type checker refuses nobody could commit.
    if (isMutant !== 'passed') return { verdict: 'no mutant', by: '' }
    for (const stage of stagesOf(file, this.#hasRest)) {
      const failed: string[] = []
      const ending = await this.#copy.planted({ [file]: text }, () => this.#tests(stage, failed))
      if (ending === 'passed') continue
      // A mutant that hangs its tests is caught as well, where they end without it.
      const proof = failed[0] === undefined ? stage : [...stage.slice(0, 2), '--runTestsByPath', failed[0]]
      const verdict = (await this.#endsClean(proof)) === 'passed' ? 'caught' : 'unsettled'
      return { verdict, by: ` by ${failed[0] ?? `a run that ${ending}`}:` }
    }
    return { verdict: 'survived', by: '' }
  }

  close(): void {
    this.#copy.remove()
  }

  #tests(args: readonly string[], failed: string[] = []): Promise<Ending> {
    const order = ['--bail', '--testSequencer', './test/mutants/shortest-first.cjs']
    return this.#copy.jest([...args, ...order], this.#env, file => failed.push(file))
  }

  async #endsClean(args: readonly string[]): Promise<Ending> {
    const name = args.join(' ')
    const ending = this.#clean.get(name) ?? (await this.#tests(args))
    this.#clean.set(name, ending)
    return ending
  }
}
