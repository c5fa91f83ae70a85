import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const COPIED = ['src', 'queues', 'workers', 'test', 'examples', 'docs', 'docker', 'mikro-orm.config.ts']
const SETTINGS = [
  'package.json',
  'tsconfig.json',
  'jest.config.mjs',
  'jest.all.config.mjs',
  'README.md',
  '.env.example',
]
const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']

/** How a program of the copy ended. `timed-out`: it was killed at the limit. */
export type Ending = 'passed' | 'failed' | 'timed-out'

/** A copy of the project to plant bugs in: whoever works in the project itself notices nothing. */
export class ProjectCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'promostream-planted-'))

  constructor() {
    for (const name of [...COPIED, ...SETTINGS]) cpSync(name, join(this.folder, name), { recursive: true })
    symlinkSync(join(process.cwd(), 'node_modules'), join(this.folder, 'node_modules'))
  }

  /** Does `work` while these files have other texts. */
  async planted<Result>(texts: Readonly<Record<string, string>>, work: () => Promise<Result>): Promise<Result> {
    const originals = Object.keys(texts).map(file => [file, readFileSync(join(this.folder, file), 'utf8')] as const)
    try {
      for (const [file, text] of Object.entries(texts)) writeFileSync(join(this.folder, file), text)
      return await work()
    } finally {
      for (const [file, text] of originals) writeFileSync(join(this.folder, file), text)
    }
  }

  /** Test files that failed are told to `onFailed`, by their paths below the project. */
  jest(
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    limitMs: number,
    onFailed: (file: string) => void = () => undefined,
  ): Promise<Ending> {
    const jest = [...FLAGS, join('node_modules', 'jest', 'bin', 'jest.js'), ...args, '--passWithNoTests', '--forceExit']
    return this.run(jest, env, limitMs, line => {
      const [, file] = /^FAIL \S+ (\S+)/.exec(line) ?? []
      if (file !== undefined) onFailed(file)
    })
  }

  /** The type checker, which reads only what has changed since the last time. */
  typeCheck(): Promise<Ending> {
    const info = join(this.folder, 'tsbuildinfo')
    const tsc = join('node_modules', 'typescript', 'bin', 'tsc')
    // Code that is not reached and names that are not used are what a bug may leave behind.
    const lax = ['--allowUnreachableCode', 'true', '--noUnusedLocals', 'false', '--noUnusedParameters', 'false']
    return this.run([tsc, '--noEmit', '--incremental', '--tsBuildInfoFile', info, ...lax], process.env, 120_000)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }

  /** A program of Node's, told by its arguments; `onLine` gets what it says on stderr. */
  async run(
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    limitMs: number,
    onLine: (line: string) => void = () => undefined,
  ): Promise<Ending> {
    const stdio = ['ignore', 'ignore', 'pipe'] as const
    const child = spawn(process.execPath, args, { cwd: this.folder, env, stdio: [...stdio], detached: true })
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      killGroupOf(child)
    }, limitMs)
    let said = ''
    child.stderr?.on('data', chunk => {
      const lines = `${said}${chunk}`.split('\n')
      said = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    })
    const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
    clearTimeout(timer)
    // Jest leaves workers behind that do not end, when the first failure ends it.
    killGroupOf(child)
    if (isOver) return 'timed-out'
    return code === 0 ? 'passed' : 'failed'
  }
}

function killGroupOf({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), 'SIGKILL')
  } catch {
    // Nobody is left.
  }
}
