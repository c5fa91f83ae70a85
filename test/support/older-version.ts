import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The last commit before this version's work began: what runs beside it while it is rolled out. */
const COMMIT = '786f432635dff07496cdb8c78e043355b8d80233'

export interface OlderVersion {
  entry(kind: 'listener' | 'worker'): string
  remove(): void
}

/** Undefined: this checkout has no history, so the older sources cannot be had. */
export function checkOutOlderVersion(): OlderVersion | undefined {
  let archive: Buffer
  try {
    archive = execFileSync('git', ['archive', COMMIT], {
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'promostream-older-'))
  const sources = join(folder, 'promostream')
  mkdirSync(sources)
  execFileSync('tar', ['-x', '-C', sources], { input: archive })
  linkPackages(join(sources, 'node_modules'))
  return {
    entry: kind => join(sources, `src/bin/${kind}.ts`),
    remove: () => rmSync(folder, { recursive: true }),
  }
}

/** The packages of this checkout; what was called `prom-client` then goes by its successor's name. */
function linkPackages(folder: string): void {
  mkdirSync(folder)
  for (const name of readdirSync('node_modules')) symlinkSync(resolve('node_modules', name), join(folder, name))
  symlinkSync(resolve('node_modules/@prometheus-io/client'), join(folder, 'prom-client'))
}
