import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'

const PACKAGE = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>
  engines: { node: string }
}

/** What the package calls `promostream`, before it is built. */
const COMMAND = 'src/bin/promostream.cjs'

/** What that version of Node would come to. */
function start(file: string, version: string) {
  const pretend = `
    Object.defineProperty(process, 'version', { value: 'v${version}' })
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })
    process.argv = [process.argv[0], '${file}', 'hash-password', '--help']
    require('./${file}')`
  return spawnSync(process.execPath, ['-e', pretend], { encoding: 'utf8' })
}

describe('a Node that is too old', () => {
  test.each(['src/runtime/node-version.cjs', COMMAND])('%s says so in one line, and exit 1', file => {
    const { status, stderr } = start(file, '20.20.2')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^promostream needs Node 24 or newer, and this is v20\.20\.2 \(.+\): start it with [^\n]+\n$/,
    )
  })

  test('one that is new enough says nothing', () => {
    expect(start('src/runtime/node-version.cjs', PACKAGE.engines.node.replace('>=', ''))).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect(start(COMMAND, '26.0.0').stdout).toContain('hash-password')
  })

  test('is met by every process and by every script that starts one', () => {
    for (const [name, script] of Object.entries(PACKAGE.scripts)) {
      const [, file] = /(src\/bin\/\w+\.ts)/.exec(script) ?? []
      if (file === undefined) continue
      expect([name, script]).toEqual([
        name,
        expect.stringMatching(/^node src\/runtime\/node-version\.cjs && (NODE_COMPILE_CACHE=\S+ )?exec node /),
      ])
      expect(readFileSync(file, 'utf8')).toMatch(/^(#!.*\n)?import '#runtime\/node-version\.cjs'\n/)
    }
  })
})
