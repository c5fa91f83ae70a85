const { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { createHash } = require('node:crypto')
const { Session } = require('node:inspector')
const { join, relative } = require('node:path')
const { fileURLToPath } = require('node:url')
const { TestEnvironment } = require('jest-environment-node')

/** Where each test file leaves what of the sources it has run; without it nothing is measured. */
const folder = process.env.MUTANTS_COVERAGE

/** A test file whose tests end with the first that fails, and that can say which places of the sources it has run. */
module.exports = class MutantsEnvironment extends TestEnvironment {
  #startedAt = performance.now()
  #session = new Session()
  #hasFailed = false

  constructor(config, context) {
    const children = folder && join(folder, `children-${nameOf(context.testPath)}`)
    // Node hands it on to every process that is started from here; each leaves what it has run when it ends.
    if (folder !== undefined) process.env.NODE_V8_COVERAGE = children
    super(config, context)
    this.children = children
    this.root = config.projectConfig.rootDir
    this.project = config.projectConfig.displayName?.name
    this.test = relative(this.root, context.testPath)
  }

  async setup() {
    await super.setup()
    if (folder === undefined) return
    this.#session.connect()
    // With the debugger, V8 names scripts by URL.
    for (const method of ['Debugger.enable', 'Profiler.enable']) await this.#post(method)
    await this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  handleTestEvent(event) {
    if (event.name === 'test_done' && event.test.errors.length > 0) this.#hasFailed = true
    if (event.name === 'test_start' && this.#hasFailed && folder === undefined) event.test.mode = 'skip'
  }

  async teardown() {
    if (folder !== undefined) await this.#leave()
    await super.teardown()
  }

  async #leave() {
    const { result } = await this.#post('Profiler.takePreciseCoverage')
    this.#session.disconnect()
    for (const name of existsSync(this.children) ? readdirSync(this.children) : [])
      result.push(...JSON.parse(readFileSync(join(this.children, name), 'utf8')).result)
    rmSync(this.children, { recursive: true, force: true })
    const covered = {}
    const helpers = new Set([this.test])
    for (const { url, functions } of result) {
      if (!url.startsWith('file://')) continue
      const file = relative(this.root, fileURLToPath(url))
      if (/^src\//.test(file)) covered[file] = [...(covered[file] ?? []), ...spansOf(functions)]
      else if (!/node_modules|^test\/mutants/.test(file)) helpers.add(file)
    }
    const { test, project } = this
    const ms = Math.round(performance.now() - this.#startedAt)
    const measured = { test, project, ms, hasFailed: this.#hasFailed, helpers: [...helpers], covered }
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${nameOf(test)}.json`), JSON.stringify(measured))
  }

  #post(method, params) {
    return new Promise((resolve, reject) => {
      this.#session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)))
    })
  }
}

function nameOf(path) {
  return createHash('sha256').update(path).digest('hex').slice(0, 16)
}

/** Stretches of a script that were run: of the ranges around a place the innermost decides. */
function spansOf(functions) {
  const ranges = functions.flatMap(({ ranges }) => ranges)
  if (!ranges.some(({ count }) => count > 0)) return []
  ranges.sort((one, other) => other.endOffset - other.startOffset - (one.endOffset - one.startOffset))
  const wasRun = new Uint8Array(Math.max(...ranges.map(({ endOffset }) => endOffset)))
  for (const { startOffset, endOffset, count } of ranges) wasRun.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  const spans = []
  for (let at = wasRun.indexOf(1); at >= 0; ) {
    const end = wasRun.indexOf(0, at)
    spans.push([at, end < 0 ? wasRun.length : end])
    at = end < 0 ? -1 : wasRun.indexOf(1, end)
  }
  return spans
}
