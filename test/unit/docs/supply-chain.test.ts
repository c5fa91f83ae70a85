import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'

const read = (path: string) => readFileSync(path, 'utf8')
const manifest = JSON.parse(read('package.json')) as {
  license: string
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

describe('the supply chain', () => {
  test('the bill of materials names every package of production and none of development', () => {
    const [command = '', ...words] = manifest.scripts.sbom!.split(' ')
    const text = execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const { components } = JSON.parse(text) as { components: { purl: string }[] }
    const names = new Set(components.map(({ purl }) => decodeURIComponent(purl)))
    for (const [name, version] of Object.entries(manifest.dependencies))
      expect(names).toContain(`pkg:npm/${name}@${version}`)
    for (const name of ['jest', 'knip', 'playwright-core'])
      expect(names).not.toContain(`pkg:npm/${name}@${manifest.devDependencies[name]}`)
  }, 60_000)

  test('production’s licences may be used without asking, and one that may not is told of', () => {
    const licenses = (...words: string[]) =>
      spawnSync(process.execPath, ['tools/licenses.ts', ...words], { encoding: 'utf8' })
    const ours = licenses()
    expect([ours.status, ours.stderr]).toEqual([0, ''])
    for (const name of Object.keys(manifest.dependencies)) expect(ours.stdout).toContain(`${name}@`)
    const folder = mkdtempSync(join(tmpdir(), 'promostream-lock-'))
    const lock = {
      'node_modules/a': { version: '1.0.0', license: 'GPL-3.0-only' },
      'node_modules/b': { version: '1.0.0', license: '(MIT AND GPL-2.0-only)' },
      'node_modules/c': { version: '1.0.0' },
      'node_modules/d': { version: '1.0.0', license: '(GPL-2.0-only OR MIT)' },
      'node_modules/e': { version: '1.0.0', license: 'GPL-3.0-only', dev: true },
    }
    writeFileSync(join(folder, 'lock.json'), JSON.stringify({ packages: lock }))
    const others = licenses(join(folder, 'lock.json'))
    rmSync(folder, { recursive: true })
    expect(others.status).toBe(1)
    expect(others.stderr.match(/^licenses: \w/gm)).toEqual(['licenses: a', 'licenses: b', 'licenses: c'])
  })

  test('it is proprietary, and says so wherever it is looked for', () => {
    expect(manifest.license).toBe('UNLICENSED')
    expect(read('LICENSE')).toMatch(/^Proprietary\./)
    expect(read('docker/Dockerfile')).toContain('LicenseRef-proprietary')
  })

  test('the hosted CI runs the gate, with the Node that the repository brings', () => {
    const { jobs } = parse(read('.github/workflows/ci.yml')) as {
      jobs: Record<string, { steps: { run?: string; with?: Record<string, string | number | boolean> }[] }>
    }
    const steps = Object.values(jobs).flatMap(job => job.steps)
    expect(steps.at(-1)?.run).toBe('.ci/run')
    accessSync('.ci/run', constants.X_OK)
    const { optionalDependencies: nodes } = JSON.parse(read('tools/node/package.json')) as {
      optionalDependencies: Record<string, string>
    }
    const file = steps.find(step => step.with?.['node-version-file'])?.with?.['node-version-file'] ?? ''
    expect(new Set(Object.values(nodes))).toEqual(new Set([read(String(file)).trim()]))
    // Without the history the upgrade test has no version before; without promtool the rules are judged by us alone.
    expect(steps.find(step => step.with?.['fetch-depth'] !== undefined)?.with?.['fetch-depth']).toBe(0)
    const commands = steps.map(({ run = '' }) => run)
    expect(commands.some(command => /^sudo apt-get .* install .*\bprometheus\b/.test(command))).toBe(true)
    expect(commands).toContain('npm audit --omit=dev --audit-level=high')
  })

  test('Renovate’s rules are about packages that we have', () => {
    const { packageRules } = JSON.parse(read('renovate.json')) as { packageRules: { matchPackageNames: string[] }[] }
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, object> }
    const ours = [...Object.keys(packages).map(path => path.replace(/^.*node_modules\//, '')), 'node']
    const isOurs = (pattern: string) => {
      const [, expression] = /^\/(.*)\/$/.exec(pattern) ?? []
      const matcher = expression === undefined ? undefined : new RegExp(expression)
      return ours.some(name => matcher?.test(name) ?? matchesGlob(name, pattern))
    }
    const patterns = packageRules.flatMap(({ matchPackageNames }) => matchPackageNames)
    expect(patterns.length).toBeGreaterThan(5)
    expect(patterns.filter(pattern => !isOurs(pattern))).toEqual([])
  })

  test('editors and the formatter agree; every dependency has an exact version', () => {
    const { formatter } = JSON.parse(read('biome.json')) as { formatter: Record<string, unknown> }
    expect(read('.editorconfig')).toContain(
      `indent_size = ${formatter.indentWidth}\nmax_line_length = ${formatter.lineWidth}`,
    )
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      expect([name, version]).toEqual([name, expect.stringMatching(/^(\d+\.\d+\.\d+(-[\w.]+)?|file:.*)$/)])
    expect(JSON.parse(read('renovate.json'))).toMatchObject({ extends: expect.arrayContaining(['config:recommended']) })
  })
})
