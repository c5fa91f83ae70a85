import { spawnSync } from 'node:child_process'
import { findExecutable } from '#local/servers/executables.ts'
import { aptInstall, hasApt } from '#local/servers/packages.ts'
import { Progress } from '#local/servers/progress.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'] as const

/** A browser on the PATH, installed where we are root; a machine where neither works cannot run these tests. */
export async function chromiumPath(): Promise<string> {
  const found = findExecutable(process.env, ...NAMES)
  if (found !== undefined) return found
  const context = installer()
  if (!hasApt(context)) throw new Error('no chromium on the PATH: install it, or run this as root on Debian')
  await aptInstall(context, 'chromium')
  const installed = findExecutable(process.env, ...NAMES)
  if (installed === undefined) throw new Error('chromium was installed, but is not on the PATH')
  return installed
}

/** For pictures: without one Korean is a row of boxes. Where none can be installed it stays so. */
export async function ensureKoreanFont(): Promise<void> {
  const context = installer()
  if (!spawnSync('fc-list', [':lang=ko'], { encoding: 'utf8' }).stdout && hasApt(context))
    await aptInstall(context, 'fonts-nanum')
}

function installer() {
  const progress = new Progress(line => process.stderr.write(`[browser] ${line}\n`))
  return { env: process.env, progress } as Parameters<typeof aptInstall>[0]
}
