import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { Command } from 'commander'
import { describeTaken, takenByNpm } from '#bin/npm-options.ts'

const command = new Command('publish').option('--file <path>').option('--dry-run').option('--no-check').option('--json')

/** What a script of npm's finds in its environment. */
function underNpm(...words: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-npm-'))
  const print = `"${process.execPath}" -e "console.log(JSON.stringify(process.env))" --`
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { promostream: print } }))
  const env = { PATH: process.env.PATH, HOME: folder }
  const said = execFileSync('npm', ['run', '--silent', 'promostream', ...words], { cwd: folder, encoding: 'utf8', env })
  rmSync(folder, { recursive: true })
  return JSON.parse(said) as Record<string, string>
}

describe('options that npm takes for its own', () => {
  test('are found by the names that npm leaves in the environment', () => {
    const environment = underNpm('publish', '--file', 'gifts.csv', '--dry-run', '--no-check')
    expect(takenByNpm(command, environment)).toEqual(['--file', '--dry-run', '--no-check'])
  })

  test('are none where they stand behind «--», and none without npm', () => {
    expect(takenByNpm(command, underNpm('--', '--file', 'gifts.csv', '--dry-run'))).toEqual([])
    expect(takenByNpm(command, { npm_config_file: 'true' })).toEqual([])
  })

  test('are named, with the words that are right', () => {
    expect(describeTaken(['--file', '--dry-run'], 'publish')).toBe(
      'npm took --file, --dry-run for its own: options stand behind «--», as in «npm run promostream -- publish --file»',
    )
  })
})
