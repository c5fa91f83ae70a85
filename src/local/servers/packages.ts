import { runCommand } from './command.ts'
import { LocalStackError } from './errors.ts'
import { findExecutable, isRoot } from './executables.ts'
import type { LocalContext } from './local-server.ts'

/** One package manager at a time: apt and Maven both lock what they share. */
let queue: Promise<unknown> = Promise.resolve()

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = queue.then(work, work)
  queue = turn.catch(() => undefined)
  return turn
}

export function hasApt({ env }: LocalContext): boolean {
  return isRoot() && findExecutable(env, 'apt-get') !== undefined
}

/** Installs Debian packages as root, without questions and without recommended ones. Rejects (`START_FAILED`). */
export function aptInstall(context: LocalContext, ...packages: string[]): Promise<void> {
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) =>
    runCommand('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args], { env })
  const install = () => apt('install', '--no-install-recommends', ...packages)
  return inTurn(() =>
    context.progress.step(`Installing ${packages.join(' and ')} with apt (once)`, async () => {
      // Package lists that are missing or stale name packages that are not there: then, and only then, get them.
      await install().catch(async () => {
        await apt('update')
        await install()
      })
    }),
  )
}

/** Runs Maven in batch mode. Rejects (`START_FAILED`) with its first error line. */
export function runMaven(context: LocalContext, label: string, args: readonly string[]): Promise<void> {
  return inTurn(() =>
    context.progress.step(label, async () => {
      const maven = findExecutable(context.env, 'mvn')
      if (maven === undefined) throw new LocalStackError('START_FAILED', 'mvn is not on the PATH')
      // In a folder of ours: its plugins leave marker files where they run.
      await runCommand(maven, ['-q', '-B', ...args], { env: context.env, cwd: context.folder })
    }),
  )
}
