import { spawnSync } from 'node:child_process'
import { aptInstall, hasApt } from '#local/servers/packages.ts'
import { ensureProgram, installer } from './apt.ts'

/** A browser on the PATH, installed where we are root; a machine where neither works cannot run these tests. */
export function chromiumPath(): Promise<string> {
  return ensureProgram(['chromium', 'chromium-browser', 'google-chrome'], 'chromium')
}

/** For pictures: without one Korean is a row of boxes. Where none can be installed it stays so. */
export async function ensureKoreanFont(): Promise<void> {
  const context = installer()
  if (!spawnSync('fc-list', [':lang=ko'], { encoding: 'utf8' }).stdout && hasApt(context))
    await aptInstall(context, 'fonts-nanum')
}
