import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { COMPILE_CACHE } from '#local/demo/children.ts'
import { runCli } from '../../support/cli.ts'
import { kafkaMissing } from '../../support/stack-env.ts'
import { TestSystem } from '../../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** The shell block below a heading of the README. */
function blockOf(heading: string): string {
  const [, section = ''] = readFileSync('README.md', 'utf8').split(`\n## ${heading}\n`)
  const [, block] = /^```sh\n(.*?)^```$/ms.exec(section) ?? []
  if (block === undefined) throw new Error(`README has no shell block under «${heading}»`)
  return block
}

/** `npm run` begins in the package's folder; the file that the block writes belongs into a folder of the test. */
const NPM = `npm() {
  [ "$1 $2 $3" = 'run promostream --' ] || { echo "not known here: npm $*" >&2; return 1; }
  shift 3
  "$NODE" --disable-warning=TimeoutNegativeWarning "$CLI" "$@"
}`

withKafka('the README’s first promotion', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ COMPLETION_QUIET_MS: '500' })
    await Promise.all([system.start('listener'), system.start('worker')])
  }, 60_000)
  afterAll(() => system.stop())

  test('its words alone lead from nothing to a promotion that is COMPLETED and an audit that balances', async () => {
    const block = blockOf('The first promotion')
    const shell = spawn('bash', ['-euc', `${NPM}\n${block}`], {
      cwd: mkdtempSync(join(tmpdir(), 'promostream-readme-')),
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...system.env, NODE: process.execPath, CLI: resolve('src/bin/cli.ts') },
    })
    let said = ''
    for (const stream of [shell.stdout, shell.stderr])
      stream.on('data', chunk => {
        said += chunk
      })
    const code = await new Promise<number | null>(ended => shell.once('close', ended))
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('3 of 3 gifts published') })
    expect(said).toContain('promotion 42 is IN_PROGRESS')

    await system.until('COMPLETED', async () => (await system.promotions.find('42'))?.status === 'COMPLETED', 60_000)
    const [, args = ''] = /^npm run promostream -- (audit .*?)\s*(?:#.*)?$/m.exec(block) ?? []
    const audit = await runCli(system.env, ...args.split(/\s+/))
    expect([audit.code, audit.stdout]).toEqual([0, '3 messages, 3 rows, 3 charged once, 0 missing, 0 double\n'])
  }, 120_000)
})
