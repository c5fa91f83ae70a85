import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { COMPILE_CACHE } from '#local/demo/children.ts'
import { runCli } from '../../support/cli.ts'
import { runShell, shellBlock } from '../../support/doc-shell.ts'
import { kafkaMissing } from '../../support/stack-env.ts'
import { TestSystem } from '../../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

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
    const block = shellBlock('README.md', 'promostream -- create')
    const { code, said } = await runShell(`${NPM}\n${block}`, {
      cwd: mkdtempSync(join(tmpdir(), 'promostream-readme-')),
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...system.env, NODE: process.execPath, CLI: resolve('src/bin/cli.ts') },
    })
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('3 of 3 gifts published') })
    expect(said).toContain('promotion 42 is IN_PROGRESS')

    await system.until('COMPLETED', async () => (await system.promotions.find('42'))?.status === 'COMPLETED', 60_000)
    const [, args = ''] = /^npm run promostream -- (audit .*?)\s*(?:#.*)?$/m.exec(block) ?? []
    const audit = await runCli(system.env, ...args.split(/\s+/))
    expect([audit.code, audit.stdout]).toEqual([0, '3 messages, 3 rows, 3 charged once, 0 missing, 0 double\n'])
  }, 120_000)
})
