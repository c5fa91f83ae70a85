/**
 * `node prune.mjs node_modules`: takes out what production never loads. npm installs the compiler because packages name it as
 * an optional peer and we have it for development; a package with binaries brings those of every platform, OpenTelemetry's its
 * types and source maps.
 */
import { existsSync, globSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const [modules = 'node_modules'] = process.argv.slice(2)
for (const name of ['typescript', '@typescript', '.bin/tsc', '.bin/tsserver']) remove(join(modules, name))
const prebuilds = join(modules, 'sodium-native/prebuilds')
const own = `${process.platform}-${process.arch}`
for (const platform of existsSync(prebuilds) ? readdirSync(prebuilds) : [])
  if (platform !== own) remove(join(prebuilds, platform))
for (const file of globSync(join(modules, '@opentelemetry/**/*.{map,d.ts,d.mts,d.cts}'))) remove(file)

function remove(path) {
  rmSync(path, { recursive: true, force: true })
}
