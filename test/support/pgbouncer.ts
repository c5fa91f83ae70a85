import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '#local/servers/command.ts'
import { findExecutable } from '#local/servers/executables.ts'
import { freePort } from '#local/servers/free-port.ts'
import { dieWithParent } from '#local/servers/guard.ts'
import { cachedFolder } from '#local/servers/user-cache.ts'

const PACKAGES = ['pgbouncer', 'libevent-2.1-7', 'libc-ares2']
/** Refuses to run as root; the account «nobody» has nothing. */
const NOBODY = 65_534

interface Program {
  file: string
  libraries: string
}

/** PgBouncer from the PATH, or Debian's, unpacked into the user's cache; undefined where neither can be had. */
export async function findPgBouncer(): Promise<Program | undefined> {
  const installed = findExecutable(process.env, 'pgbouncer')
  if (installed !== undefined) return { file: installed, libraries: '' }
  const folder = await cachedFolder(process.env, 'pgbouncer-debian', async draft => {
    const packages = join(draft, 'packages')
    await mkdir(packages)
    execFileSync('apt-get', ['download', '-q', ...PACKAGES], { cwd: packages, stdio: 'ignore' })
    for (const name of await readdir(packages)) {
      await runCommand('dpkg', ['-x', join(packages, name), draft], { env: process.env })
    }
  }).catch(() => undefined)
  if (folder === undefined) return undefined
  return { file: join(folder, 'usr/sbin/pgbouncer'), libraries: join(folder, 'usr/lib/x86_64-linux-gnu') }
}

export interface RunningPgBouncer {
  /** The database's URL, led through PgBouncer. */
  url: string
  stop(): Promise<void>
}

/** Before the database of that URL. `settings`: more lines of its configuration. */
export async function startPgBouncer(
  { file, libraries }: Program,
  databaseUrl: string,
  settings: readonly string[],
): Promise<RunningPgBouncer> {
  // Out of a home that others may not enter.
  const folder = mkdtempSync(join(tmpdir(), 'promostream-pgbouncer-'))
  const program = join(folder, 'pgbouncer')
  execFileSync('cp', [file, program])
  if (existsSync(libraries)) execFileSync('cp', ['-r', libraries, join(folder, 'lib')])
  const url = new URL(databaseUrl)
  const port = await freePort()
  writeFileSync(join(folder, 'users'), `"${decodeURIComponent(url.username)}" "${decodeURIComponent(url.password)}"\n`)
  const lines = [
    '[databases]',
    `* = host=127.0.0.1 port=${url.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${join(folder, 'users')}`,
    ...settings,
  ]
  writeFileSync(join(folder, 'ini'), `${lines.join('\n')}\n`)
  for (const name of ['', 'users', 'ini']) chmodSync(join(folder, name), 0o755)
  const [command, args] = dieWithParent(process.env, 'KILL', program, [join(folder, 'ini')])
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  const child = spawn(command, args, { ...identity, env: { LD_LIBRARY_PATH: join(folder, 'lib') }, stdio: 'pipe' })
  const ended = new Promise(resolve => child.once('exit', resolve))
  await untilListening(port, child)
  url.port = String(port)
  return {
    url: url.href,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  let log = ''
  child.stderr?.on('data', chunk => {
    log += chunk
  })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${log}`)
    const isThere = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isThere) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
