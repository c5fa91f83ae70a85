import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const folders: string[] = []
const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const QUIET = ['--silent', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']

/** A folder outside this repository in which a tarball of ours was installed, as another team has it. */
export interface InstalledPackage {
  folder: string
  /** Paths of the tarball, without `package/`. */
  files: string[]
  /** Runs a program in the folder; rejects with what it printed. */
  run(file: string, args: readonly string[]): Promise<string>
}

async function makeFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `promostream-${name}-`))
  folders.push(folder)
  return folder
}

/** Removes what was packed and installed. */
export async function removeInstalled(): Promise<void> {
  await Promise.all(folders.splice(0).map(folder => rm(folder, { recursive: true, force: true })))
}

/** Packs a folder of this repository; `npm pack` builds it. @returns the tarball. */
export async function pack(folder: string): Promise<string> {
  const target = await makeFolder('pack')
  await run('npm', ['pack', '--silent', '--pack-destination', target, join(ROOT, folder)], { cwd: target })
  const [tarball] = await readdir(target)
  return join(target, tarball as string)
}

export async function install(tarball: string, ...others: string[]): Promise<InstalledPackage> {
  const folder = await makeFolder('installed')
  await writeFile(join(folder, 'package.json'), '{"name":"somebody-else","private":true,"type":"module"}')
  await run('npm', ['install', ...QUIET, tarball, ...others], { cwd: folder })
  const list = await run('tar', ['-tzf', tarball])
  return {
    folder,
    files: list.stdout
      .split('\n')
      .filter(Boolean)
      .map(name => name.replace(/^package\//, '')),
    run: async (file, args) => (await run(file, args, { cwd: folder })).stdout,
  }
}

/** Another Node than ours, from the registry; undefined where there is none for this machine. */
export async function otherNode(version: string): Promise<string | undefined> {
  const name = `node-${process.platform}-${process.arch}`
  const folder = await makeFolder('node')
  await writeFile(join(folder, 'package.json'), '{"private":true}')
  return run('npm', ['install', ...QUIET, `${name}@${version}`], { cwd: folder }).then(
    () => join(folder, 'node_modules', name, 'bin/node'),
    () => undefined,
  )
}

/** Size of everything that was installed, in MiB of what the files hold. */
export async function installedMiB(folder: string): Promise<number> {
  const { stdout } = await run('du', ['-s', '--apparent-size', '-B', '1024', join(folder, 'node_modules')])
  return Number.parseInt(stdout, 10) / 1024
}
