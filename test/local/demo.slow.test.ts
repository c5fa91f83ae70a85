import { expect, test } from '@jest/globals'
import { commandsOf, runWell } from '../support/doc-shell.ts'

/** Every command of the docs that begins so, with what stands behind it: some bring the same option. */
const PAGES = ['README.md', 'docs/operations.md', 'docs/performance.md', 'docs/seal.md']

/** The numbers of the docs pay for minutes. */
const SIZES: Record<string, string> = { '--messages 100000': '--messages 300' }

test('the demo does in one run what the docs promise of each of its options, and its account balances', async () => {
  const commands = PAGES.flatMap(page => commandsOf(page, 'npm run demo')).map(one => one.replace(/^.*demo( -- )?/, ''))
  const options = [...new Set(commands.filter(Boolean))].map(one => {
    const large = Object.keys(SIZES).find(size => one.includes(size))
    return large === undefined ? one : one.replace(large, SIZES[large]!)
  })
  expect(options).toEqual(['--messages 300 --faults 20 --money-latency 50', '--canary 20', '--deadline 60', '--seal'])
  const { stdout } = await runWell(`npm run --silent demo -- ${options.join(' ')}`, { env: process.env })
  expect(stdout).toMatch(/^ {2}charges +300 .*\n {2}charged twice +0\n {2}missing +0\n/m)
  expect(stdout.match(/^canary: .*, 20 of the first 20 gifts confirmed/gm)).toHaveLength(2)
  expect(stdout).toMatch(/^deadline: done /m)
  expect(stdout.match(/^sealed: .*, 150 gifts, root [0-9a-f]{64}/gm)).toHaveLength(2)
  expect(stdout.trim().split('\n').at(-1)).toBe('the account balances')
}, 180_000)
