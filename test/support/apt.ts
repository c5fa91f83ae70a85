import { findExecutable } from '#local/servers/executables.ts'
import type { LocalContext } from '#local/servers/local-server.ts'
import { aptInstall, hasApt } from '#local/servers/packages.ts'
import { Progress } from '#local/servers/progress.ts'

/** For what installs programs that only tests need. */
export function installer(): LocalContext {
  const progress = new Progress(line => process.stderr.write(`[tests] ${line}\n`))
  return { env: process.env, progress } as LocalContext
}

/** The first of these programs that is on the PATH; its Debian package is installed where we are root. */
export async function ensureProgram(names: readonly string[], packageName: string): Promise<string> {
  const found = findExecutable(process.env, ...names)
  if (found !== undefined) return found
  const context = installer()
  if (!hasApt(context)) throw new Error(`no ${names[0]} on the PATH: install it, or run this as root on Debian`)
  await aptInstall(context, packageName)
  const installed = findExecutable(process.env, ...names)
  if (installed === undefined) throw new Error(`${packageName} was installed, but ${names[0]} is not on the PATH`)
  return installed
}
