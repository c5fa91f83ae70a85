import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, matchesGlob, sep } from 'node:path'

/** What `docker build` would make of docker/Dockerfile, without Docker: its COPY lines, on the context that .dockerignore leaves. */

interface Instruction {
  stage: string
  word: string
  rest: string
}

const ROOT = join(import.meta.dirname, '../..')
const MODULES = '/build/node_modules'

export interface ImageFolder {
  /** The image's `/app`. */
  app: string
  entrypoint: string[]
  instructions: readonly Instruction[]
}

/**
 * Makes the image's `/app` in a temporary folder. Its production modules are this checkout's (`modules: 'linked'`), or are
 * installed and pruned by the Dockerfile's own command.
 */
export function makeImageFolder(modules: 'linked' | 'installed' = 'linked'): ImageFolder {
  const instructions = readDockerfile()
  const folder = mkdtempSync(join(tmpdir(), 'promostream-image-'))
  const context = makeContext(join(folder, 'context'))
  for (const { stage, word, rest } of instructions) {
    const stageFolder = join(folder, stage)
    mkdirSync(stageFolder, { recursive: true })
    if (word === 'COPY') copy(rest, stageFolder, folder, context)
    if (word === 'RUN') run(rest, stage, join(stageFolder, 'build'), modules)
  }
  const last = instructions.at(-1)?.stage ?? ''
  return { app: join(folder, last, 'app'), entrypoint: jsonOf(instructions, 'ENTRYPOINT'), instructions }
}

export function readDockerfile(): Instruction[] {
  const text = readFileSync(join(ROOT, 'docker/Dockerfile'), 'utf8')
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter(line => line.trim() !== '')
  let stage = ''
  return lines.map(line => {
    const [word = '', ...rest] = line.trim().split(/\s+/)
    if (word === 'FROM') stage = /\sAS\s+(\S+)/.exec(line)?.[1] ?? 'final'
    return { stage, word, rest: rest.join(' ') }
  })
}

export function jsonOf(instructions: readonly Instruction[], word: string): string[] {
  const found = instructions.findLast(instruction => instruction.word === word)?.rest ?? '[]'
  return JSON.parse(found) as string[]
}

/** Files that `.dockerignore` leaves: the last line that matches a path decides. */
function makeContext(folder: string): string {
  const rules = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  const isLeft = (path: string) => {
    const rule = rules.findLast(line => matches(path, line.replace(/^!/, '')))
    return rule === undefined || rule.startsWith('!')
  }
  const files = globSync('**/*', {
    cwd: ROOT,
    withFileTypes: true,
    exclude: ({ name }) => /^(node_modules|\.git|dist|\.build)$/.test(name),
  })
    .filter(file => file.isFile())
    .map(file => join(file.parentPath, file.name).slice(ROOT.length + 1))
  const hidden = ['.npmrc', '.env'].filter(name => existsSync(join(ROOT, name)))
  for (const file of [...files, ...hidden].filter(isLeft)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file))
  }
  return folder
}

function matches(path: string, pattern: string): boolean {
  return matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`)
}

function copy(rest: string, stageFolder: string, folder: string, context: string): void {
  const [, from, sources = ''] = /^(?:--from=(\S+)\s+)?(.*)$/.exec(rest) ?? []
  const paths = sources.split(' ')
  const target = paths.pop() ?? ''
  const workdir = existsSync(join(stageFolder, 'build')) || from === undefined ? workdirOf(stageFolder) : 'app'
  for (const source of paths) {
    const origin = join(from === undefined ? context : join(folder, from), source)
    const isFolderTarget = target.endsWith('/') || paths.length > 1
    const goal = join(stageFolder, workdir, isFolderTarget ? join(target, basename(source)) : target)
    mkdirSync(dirname(goal), { recursive: true })
    if (source === MODULES && existsSync(origin) === false) throw new Error(`nothing at ${source} of ${from}`)
    cpSync(origin, goal, { recursive: true, verbatimSymlinks: true })
  }
}

/** The stages that build work in /build, the last one in /app. */
function workdirOf(stageFolder: string): string {
  return stageFolder.endsWith(`${sep}final`) ? 'app' : 'build'
}

function run(command: string, stage: string, folder: string, modules: 'linked' | 'installed'): void {
  if (stage === 'final') return
  const isInstall = command.startsWith('npm ci')
  if (isInstall && (stage === 'build' || modules === 'linked')) {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    return
  }
  execFileSync('sh', ['-c', command], { cwd: folder, stdio: 'pipe' })
}
