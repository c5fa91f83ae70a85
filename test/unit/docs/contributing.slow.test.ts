import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from '@jest/globals'
import { commandsOf, runWell } from '#test/support/doc-shell.ts'

const PAGE = 'CONTRIBUTING.md'
/** As a terminal would start it, not a test. */
const { JEST_WORKER_ID: _, TEST_THOROUGH: __, NODE_ENV: ___, ...env } = process.env

const command = (start: string) => commandsOf(PAGE, start)[0]!
const run = async (script: string, cwd = '.') => (await runWell(script, { env, cwd })).said

test('npm run fix formats a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-fix-'))
  for (const name of ['package.json', 'biome.json']) cpSync(name, join(folder, name))
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'src'))
  const file = join(folder, 'src/sum.ts')
  writeFileSync(file, 'export const sum = (a:number,b:number)=>a+b;\n')
  await run(`git init -q && ${command('npm run fix')}`, folder)
  expect(readFileSync(file, 'utf8')).toBe('export const sum = (a: number, b: number) => a + b\n')
  rmSync(folder, { recursive: true })
}, 60_000)

test('npm run mutants draws as many bugs as it is asked for, and lists them', async () => {
  const said = await run(`${command('npm run mutants')} ${command('--list')}`)
  expect(said).toContain('; 100 drawn by seed 1\n')
  expect(said.match(/^(src|workers|queues)\/\S+:\d+ «/gm)).toHaveLength(100)
}, 60_000)

test('npm run chaos:mutants plants a bug and sees it caught', async () => {
  const said = await run(`${command('npm run chaos:mutants')} -- --only skipped-by-place-alone`)
  expect(JSON.parse(said.trim().split('\n').at(-1)!)).toMatchObject({ bugs: 1, caught: 1, ok: true })
}, 120_000)

test('the seed of a simulated world is enough to see it again', async () => {
  expect(await run(command('npm run simulate -- --seed 2454'))).toMatch(/^1 worlds, 0 with a violation/m)
}, 60_000)

test('FUZZ_RUNS says how many inputs are tried', async () => {
  const fuzz = command('FUZZ_RUNS=')
  expect(await run(fuzz.replace('100000', '200'))).toMatch(/Tests: +\d+ passed/)
  expect(readFileSync('test/support/fuzz.ts', 'utf8')).toContain(`process.env.${fuzz.split('=')[0]} `)
}, 120_000)

test('tests are chosen by path and by project', async () => {
  for (const [start, pattern] of [
    ['npm test -- test/unit/money', /^\S+\/test\/unit\/money\/breaker\S*$/gm],
    ['npm run test:all -- test/process/bin/life', /^\S+\/test\/process\/bin\/life\.slow\.test\.ts$/gm],
    ['npm test -- --selectProjects', /^\S+\/test\/(unit|architecture)\/\S+$/gm],
  ] as const) {
    const said = await run(`${command(start)} --listTests`)
    const files = said.split('\n').filter(line => line.startsWith('/'))
    expect(files.length).toBeGreaterThan(0)
    expect(said.match(pattern)).toEqual(files)
  }
}, 120_000)
