import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `npm run licenses`: the licence of every package that production runs, from package-lock.json or the file that is named; ends
 * with 1 when one is not among those that may be used without asking.
 */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
])

interface Locked {
  version?: string
  license?: string
  dev?: boolean
  link?: boolean
}

const file = process.argv[2] ?? join(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8')) as {
  packages: Record<string, Locked>
}
const rows = Object.entries(lock.packages)
  .filter(([path, { dev, link }]) => path.includes('node_modules/') && dev !== true && link !== true)
  .map(([path, { version, license }]) => ({ name: path.split('node_modules/').at(-1) ?? path, version, license }))
const unusual = rows.filter(({ license }) => !isAllowed(license))
for (const { name, version, license } of rows) process.stdout.write(`${name}@${version} ${license ?? 'UNKNOWN'}\n`)
for (const { name, license } of unusual)
  process.stderr.write(`licenses: ${name} has ${license ?? 'none'}: ask before it is used\n`)
process.exitCode = unusual.length === 0 ? 0 : 1

/** Of «A OR B» one is enough, of «A AND B» all. */
function isAllowed(license = ''): boolean {
  return license
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some(choice => choice.split(' AND ').every(one => ALLOWED.has(one)))
}
