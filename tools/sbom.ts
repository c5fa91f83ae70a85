import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `npm run sbom`: CycloneDX of what production runs. `npm sbom --omit=dev` leaves out what a package of development needs too
 * (ioredis, pg, zod), so that the whole is asked for, and what only development has is taken out by package-lock.json.
 */
interface Sbom {
  components: { 'bom-ref': string }[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

const root = join(import.meta.dirname, '..')
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { version?: string; dev?: boolean; link?: boolean }>
}
const kept = new Set(
  Object.entries(lock.packages)
    .filter(([path, { dev, link }]) => path.includes('node_modules/') && dev !== true && link !== true)
    .map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`),
)
const text = execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
})
const sbom = JSON.parse(text) as Sbom
const components = sbom.components.filter(component => kept.has(component['bom-ref']))
const own = sbom.dependencies[0]?.ref
const dependencies = sbom.dependencies
  .filter(({ ref }) => ref === own || kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(name => kept.has(name)) }))
process.stdout.write(`${JSON.stringify({ ...sbom, components, dependencies }, undefined, 2)}\n`)
