import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const HOLDER = fileURLToPath(new URL('./stack-process.ts', import.meta.url))

export interface RunningStack {
  env: Record<string, string>
  pids: number[]
  folder: string
  kafka: string
  howToStop: string
}

export interface Holder {
  child: ChildProcess
  stack: RunningStack
}

export interface HolderOptions {
  servers: string
  keep?: boolean
  env?: Record<string, string | undefined>
  /** User it runs as; only root may say. */
  uid?: number
}

const holders: ChildProcess[] = []

/** After a test, however it ended: its holders would keep the test run waiting. */
export function releaseHolders(): void {
  for (const child of holders.splice(0)) child.kill('SIGKILL')
}

/** Runs stack-process.ts until its stack is ready; rejects with what it printed when it ends before. */
export function holdStack({ servers, keep = false, env = process.env, uid }: HolderOptions): Promise<Holder> {
  const child = spawn(process.execPath, [HOLDER, servers, keep ? 'keep' : ''], {
    env,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  holders.push(child)
  let printed = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    printed += text
  })
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', line => resolve({ child, stack: JSON.parse(line) }))
    child.once('exit', () => reject(new Error(printed)))
  })
}

/** Pids of live processes whose command line or environment names the folder. */
export function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => `${contents(`/proc/${pid}/cmdline`)}${link(pid)}`.includes(folder))
    .map(Number)
    .filter(isAlive)
}

/** A zombie that nobody reaped is dead. */
export function isAlive(pid: number): boolean {
  const stat = contents(`/proc/${pid}/stat`)
  return stat !== '' && !stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
}

/** Looks until it holds; the time-out of the test ends a wait in vain. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 20))
}

function contents(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function link(pid: string): string {
  return contents(`/proc/${pid}/environ`)
}
