import { execFileSync } from 'node:child_process'
import { globSync, lstatSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ImageFolder, makeImageFolder } from '../support/image-folder.ts'

const MAX_BYTES = 140 * 1024 * 1024

/** The image's modules, installed and pruned as the Dockerfile does it. */
describe('the image’s production modules', () => {
  let image: ImageFolder
  beforeAll(() => {
    image = makeImageFolder('installed')
  }, 600_000)
  afterAll(() => rmSync(dirname(dirname(image.app)), { recursive: true }))

  const node = (...argv: string[]) =>
    execFileSync(process.execPath, argv, {
      cwd: image.app,
      encoding: 'utf8',
      env: { PATH: process.env.PATH! },
      stdio: 'pipe',
    })

  test('are at most 140 MB', () => {
    const files = globSync('node_modules/**/*', { cwd: image.app })
    const bytes = files.reduce((sum, file) => sum + lstatSync(join(image.app, file)).size, 0)
    process.stderr.write(`production modules: ${Math.round(bytes / 1024 / 1024)} MB\n`)
    expect(bytes).toBeGreaterThan(10 * 1024 * 1024)
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
  })

  test('have the codecs of Kafka’s batches and the cookies’ cipher for this platform', () => {
    const script =
      "for (const name of ['snappy', 'lz4-napi', 'sodium-native']) await import(name); console.log('loaded')"
    expect(node('--input-type=module', '-e', script)).toBe('loaded\n')
  })

  test.each(['listener', 'worker', 'admin'])('%s gets as far as its settings', name => {
    expect(() => node(`dist/src/bin/${name}.js`)).toThrow(/promostream \w+: DATABASE_URL is not set/)
  })

  test.each(['dist/src/bin/cli.js', 'src/local/sample.ts', 'src/local/login.ts'])('%s runs', path => {
    expect(node(path, '--help')).toMatch(/^Usage: /)
  })
})
