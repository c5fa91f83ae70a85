import { globSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { runWell } from '../support/doc-shell.ts'

/** As small as each can be made, and what its last line tells; no figure is looked at. */
const BENCHES: Record<string, [options: string, fields: string[]]> = {
  admin: [
    '--rows 500 --polls 2 --interval-ms 10',
    ['board, overview', 'board, one queue', 'board, latest', 'progress page', 'promotion page'],
  ],
  audit: ['--rows 100', ['rows', 'withoutCharges', 'withSettlement']],
  connections: ['--rounds 1 --slots 200 --jobs 400', ['one', 'pool', 'pollers', 'pollers-own']],
  idle: [
    '--streams 2 --seconds 1 --adds 1',
    ['streams', 'nodeCpuPercent', 'redisCpuPercent', 'commandsPerSecond', 'pickUpMsMedian', 'pickUpMsMax'],
  ],
  tracing: ['--gifts 1000', ['gifts', 'microsecondsAGift']],
}

const read = (path: string) => readFileSync(path, 'utf8')
const benchesIn = (text: string) => [...text.matchAll(/\bbench:([a-z]+)/g)].map(([, name]) => name!)

test('every benchmark is run: those that the docs name, and those that package.json has, here or by the gate', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = globSync(['*.md', 'docs/**/*.md']).filter(page => page !== 'CHANGELOG.md')
  const all = [...named.flatMap(page => benchesIn(read(page))), ...Object.keys(scripts).flatMap(benchesIn)]
  const run = [...benchesIn(read('.ci/run')), ...Object.keys(BENCHES)]
  expect([...new Set(all)].sort()).toEqual([...new Set(run)].sort())
})

test.each(Object.entries(BENCHES))(
  'npm run bench:%s ends well, with a last line that is JSON',
  async (name, [options, fields]) => {
    const { stdout } = await runWell(`npm run --silent bench:${name} -- ${options}`, { env: process.env })
    expect(Object.keys(JSON.parse(stdout.trim().split('\n').at(-1)!))).toEqual(fields)
  },
  120_000,
)
