import { globSync } from 'node:fs'
import { join } from 'node:path'
import type { Mutant } from './draw.ts'
import { type Ending, ProjectCopy } from './project-copy.ts'
import { type MeasuredTest, TestMap } from './test-map.ts'

export type MutantVerdict = 'caught' | 'survived' | 'no mutant'

/** What is measured, and kept with the other things that a checkout can do without. */
export const MAP = 'node_modules/.cache/promostream/test-map.json'
/** Of all tests once. */
const WHOLE_RUN_LIMIT_MS = 1_800_000
/** A mutant that takes so much longer than the same tests without it hangs. */
const limitOf = (tests: readonly MeasuredTest[]) => 60_000 + 3 * tests.reduce((sum, { ms }) => sum + ms, 0)

const TESTS = [
  'test/unit/**/*.test.ts',
  'test/integration/**/*.test.ts',
  'test/stream/**/*.test.ts',
  'test/stream/redis-memory.slow.test.ts',
]
/** Tests of whole processes take their time, and what a process of its own runs is not measured. */
const REST = 'test/process/**/*.test.ts'
/** Tests of how the project is laid out, which a copy of a part of it breaks. */
const NOT_ASKED = /\/unit\/(test|docs|docker)\/|(?<!redis-memory)\.slow\.test\.ts$/

/** The small worlds of `npm test` are asked about any bug. */
const SIMULATION = ['test/simulation/simulate.ts', '--seed', '1', '--runs', '300', '--bail']
const SIMULATION_LIMIT_MS = 120_000

/** Cheapest first. */
const STAGES: ((test: MeasuredTest) => boolean)[] = [
  ({ project }) => project === 'unit',
  ({ test }) => test.includes('redis-memory'),
  ({ test }) => test.startsWith('test/integration/'),
  ({ project, test }) => project === 'stream' && !test.includes('redis-memory'),
  ({ test }) => test.startsWith('test/process/'),
]

/** Tries one mutant after the other on a copy of the project. */
export class MutantTrial {
  readonly #copy = new ProjectCopy()
  readonly #env: NodeJS.ProcessEnv
  readonly #hasRest: boolean
  readonly #map = new TestMap(MAP, this.#copy.folder)

  constructor(env: NodeJS.ProcessEnv, hasRest: boolean) {
    this.#env = env
    this.#hasRest = hasRest
  }

  /** Runs the test files that are not known as they stand, to see which places they run. */
  async measure(): Promise<{ measured: string[]; failed: string[] }> {
    const tests = globSync(this.#hasRest ? [...TESTS, REST] : TESTS).filter(test => !NOT_ASKED.test(test))
    const unknown = this.#map.unknownOf(tests.sort())
    if (unknown.length === 0) return { measured: [], failed: [] }
    const folder = join(this.#copy.folder, 'coverage')
    // Measuring slows them down.
    await this.#jest(['--testTimeout', '120000', '--runTestsByPath', ...unknown], WHOLE_RUN_LIMIT_MS, {
      MUTANTS_COVERAGE: folder,
    })
    return { measured: unknown, failed: this.#map.takeIn(folder) }
  }

  async verdictOn(mutant: Mutant): Promise<{ verdict: MutantVerdict; by: string }> {
    const { file, text, at } = mutant
    // Asked before it is planted: as it was measured.
    const tests = this.#map.testsOf(file, at).filter(({ test }) => this.#hasRest || !test.startsWith('test/process/'))
    return this.#copy.planted({ [file]: text }, async () => {
      // What the type checker refuses nobody could commit.
      if ((await this.#copy.typeCheck()) !== 'passed') return { verdict: 'no mutant', by: '' }
      for (const isIn of STAGES) {
        const by = await this.#noticedBy(tests.filter(isIn))
        if (by !== undefined) return { verdict: 'caught', by: ` by ${by}:` }
      }
      if ((await this.#copy.run(SIMULATION, process.env, SIMULATION_LIMIT_MS)) !== 'passed')
        return { verdict: 'caught', by: ' by the simulation:' }
      return { verdict: 'survived', by: ` ${tests.length} test files:` }
    })
  }

  close(): void {
    this.#copy.remove()
  }

  /** The test file that fails, or a hang. With servers, only what fails twice counts. */
  async #noticedBy(asked: readonly MeasuredTest[]): Promise<string | undefined> {
    for (let tests = asked; tests.length > 0; ) {
      const failed: string[] = []
      const ending = await this.#tests(tests, failed)
      if (ending === 'passed') return
      const [first] = failed
      const again = tests.filter(({ test }) => test === first)
      if (again.length === 0) return `a run of ${tests.length} test files that ${ending}`
      if (again[0]?.project === 'unit' || (await this.#tests(again)) !== 'passed') return first
      tests = tests.filter(({ test }) => test !== first)
    }
    return
  }

  #tests(tests: readonly MeasuredTest[], failed: string[] = []): Promise<Ending> {
    const names = tests.map(({ test }) => test)
    const args = ['--bail', '--testSequencer', './test/mutants/in-order.cjs', '--runTestsByPath', ...names]
    return this.#jest(args, limitOf(tests), { MUTANTS_ORDER: JSON.stringify(names) }, file => failed.push(file))
  }

  #jest(args: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}, onFailed?: (file: string) => void) {
    // A pattern of the command line stands for those that leave out slow tests.
    const how = ['--testPathIgnorePatterns', '/node_modules/', '--testEnvironment', './test/mutants/environment.cjs']
    return this.#copy.jest([...how, ...args], { ...this.#env, ...env }, limitMs, onFailed)
  }
}
