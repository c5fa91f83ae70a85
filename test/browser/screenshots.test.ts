import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { commandsOf, runWell } from '../support/doc-shell.ts'

const IMAGES = 'docs/images'
/** The width, as a PNG's first chunk has them. */
const widthOf = (path: string) => readFileSync(path).readUInt32BE(16)

test('npm run screenshots makes every picture of the docs, as wide as it is there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-pictures-'))
  // Of this run's servers it must know nothing: it has its own.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME }
  const [command = ''] = commandsOf('CONTRIBUTING.md', 'npm run screenshots')
  await runWell(`${command} -- --folder ${folder} --look-ms 500`, { env, timeoutMs: 280_000 })
  const names = readdirSync(folder).sort()
  expect(names).toEqual(readdirSync(IMAGES).sort())
  const widthsIn = (where: string) => names.map(name => [name, widthOf(join(where, name))])
  expect(widthsIn(folder)).toEqual(widthsIn(IMAGES))
  rmSync(folder, { recursive: true })
}, 300_000)
