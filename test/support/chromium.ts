import { findExecutable } from '#local/servers/executables.ts'
import { aptInstall, hasApt } from '#local/servers/packages.ts'
import { Progress } from '#local/servers/progress.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'] as const

/** A browser on the PATH, installed where we are root; a machine where neither works cannot run these tests. */
export async function chromiumPath(): Promise<string> {
  const found = findExecutable(process.env, ...NAMES)
  if (found !== undefined) return found
  const context = {
    env: process.env,
    progress: new Progress(line => process.stderr.write(`[browser] ${line}\n`)),
  } as Parameters<typeof aptInstall>[0]
  if (!hasApt(context)) throw new Error('no chromium on the PATH: install it, or run this as root on Debian')
  await aptInstall(context, 'chromium')
  const installed = findExecutable(process.env, ...NAMES)
  if (installed === undefined) throw new Error('chromium was installed, but is not on the PATH')
  return installed
}
