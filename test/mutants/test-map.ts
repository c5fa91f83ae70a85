import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What a test file ran of the sources when no bug was planted. */
export interface MeasuredTest {
  test: string
  project: string
  ms: number
  hasFailed: boolean
  /** Other files that it loads: of the tests, of the settings. */
  helpers: string[]
  /** Stretches of each source file that were run, by offset. */
  covered: Record<string, [start: number, end: number][]>
}

interface Kept extends MeasuredTest {
  /** Of each file that it loads, when it was measured. */
  hashes: Record<string, string>
}

/** What is known of the tests, kept between runs: only test files that have changed are measured again. */
export class TestMap {
  readonly #kept: Map<string, Kept>
  readonly #path: string
  readonly #root: string

  /** `root`: the project whose files the tests were run on. */
  constructor(path: string, root: string) {
    this.#path = path
    this.#root = root
    const tests: Kept[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []
    this.#kept = new Map(tests.filter(({ test }) => existsSync(test)).map(test => [test.test, test]))
  }

  /** Which of these test files were not measured yet as they stand. */
  unknownOf(tests: readonly string[]): string[] {
    const isKnown = ({ helpers, hashes }: Kept) => helpers.every(file => this.#hashOf(file) === hashes[file])
    return tests.filter(test => {
      const kept = this.#kept.get(test)
      return kept === undefined || kept.hasFailed || !isKnown(kept)
    })
  }

  /** Takes in what test files left in a folder, and empties it. Returns those that have failed: they say nothing of a bug. */
  takeIn(folder: string): string[] {
    const failed: string[] = []
    for (const name of existsSync(folder) ? readdirSync(folder).filter(each => each.endsWith('.json')) : []) {
      const measured: MeasuredTest = JSON.parse(readFileSync(join(folder, name), 'utf8'))
      if (measured.hasFailed) failed.push(measured.test)
      const files = [...measured.helpers, ...Object.keys(measured.covered)]
      this.#kept.set(measured.test, {
        ...measured,
        hashes: Object.fromEntries(files.map(file => [file, this.#hashOf(file)])),
      })
    }
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(this.#path, JSON.stringify([...this.#kept.values()]))
    return failed
  }

  /**
   * Those that run this place of a source file and pass without a bug, the likeliest to notice one first: named like the
   * file, then the quickest. Of a file that has changed since, whoever loads it.
   */
  testsOf(file: string, at: number): MeasuredTest[] {
    const hash = this.#hashOf(file)
    const isRun = ({ covered: { [file]: spans }, hashes }: Kept) =>
      spans !== undefined && (hashes[file] !== hash || spans.some(([from, to]) => from <= at && at < to))
    const named = file.slice('src/'.length, -'.ts'.length)
    const isNear = ({ test }: Kept) => test.replace(/^test\/\w+\//, '').startsWith(named)
    return [...this.#kept.values()]
      .filter(kept => !kept.hasFailed && isRun(kept))
      .sort((one, other) => Number(isNear(other)) - Number(isNear(one)) || one.ms - other.ms)
  }

  #hashOf(file: string): string {
    const path = join(this.#root, file)
    return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
  }
}
