import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './executables.ts'

/** `${XDG_CACHE_HOME:-~/.cache}/promostream`: what was fetched once, for every later start. */
export function userCacheFolder(env: Environment): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'promostream')
}

/**
 * The cached folder of that name. `fill` makes it where it is missing, in a folder beside it that is renamed when
 * whole: a cut download is never used, and of two processes that fill it at once one wins.
 */
export async function cachedFolder(
  env: Environment,
  name: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(userCacheFolder(env), name)
  if (existsSync(folder)) return folder
  await mkdir(userCacheFolder(env), { recursive: true })
  const draft = await mkdtemp(`${folder}.draft-`)
  try {
    await fill(draft)
    await rename(draft, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return folder
}
