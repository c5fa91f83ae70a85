import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './executables.ts'

const PREFIX = 'promostream-stack-'
const OWNER_FILE = 'owner.json'

/** Who may still need a temporary folder. A pid alone could be somebody else's by now: the start time tells. */
interface Owner {
  hostname: string
  processes: { pid: number; startedAt: string }[]
}

/**
 * A new temporary folder for one stack, known to belong to this process. Removes on the way what stacks whose owners
 * are gone (SIGKILL, power cut) could not remove.
 */
export function createWorkspace(env: Environment): string {
  const parent = env.TMPDIR || tmpdir()
  sweepWorkspaces(parent)
  const folder = mkdtempSync(join(parent, PREFIX))
  ownWorkspace(folder, [process.pid])
  // PostgreSQL, which refuses to be root, has its data below.
  chmodSync(folder, 0o711)
  return folder
}

/** From now on the folder is needed as long as one of these processes lives. */
export function ownWorkspace(folder: string, pids: readonly number[]): void {
  const owner: Owner = {
    hostname: hostname(),
    processes: pids.map(pid => ({ pid, startedAt: startedAt(pid) ?? '' })),
  }
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify(owner))
}

/** The folder of one server below the stack's, made where it is missing. */
export function serverFolder(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

export function removeWorkspace(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

export function sweepWorkspaces(parent: string): void {
  for (const name of readdirSync(parent).filter(entry => entry.startsWith(PREFIX))) {
    try {
      if (isAbandoned(join(parent, name))) removeWorkspace(join(parent, name))
    } catch {
      // Another user's, or being removed by another process right now.
    }
  }
}

function isAbandoned(folder: string): boolean {
  const owner = JSON.parse(readFileSync(join(folder, OWNER_FILE), 'utf8')) as Owner
  // Another container that shares the folder: its pids say nothing here.
  if (owner.hostname !== hostname()) return false
  return owner.processes.every(({ pid, startedAt: then }) => startedAt(pid) !== then)
}

/** Tells apart processes that had the same pid; undefined when there is none. */
function startedAt(pid: number): string | undefined {
  try {
    // proc(5): field 22, counted behind the command's name, which may hold anything, also ')'.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return process.platform === 'linux' ? undefined : livesElsewhere(pid)
  }
}

/** Without /proc: that some process has the pid must do. */
function livesElsewhere(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
    return ''
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : undefined
  }
}
