import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { runCli, startCli } from '#test/support/cli.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('promostream publish', () => {
  let system: TestSystem
  const folder = mkdtempSync(join(tmpdir(), 'promostream-publish-'))
  let fileCount = 0

  beforeAll(async () => {
    system = await TestSystem.create()
  })
  afterAll(() => system.stop())

  function fileOf(extension: string, lines: readonly string[]): string {
    fileCount += 1
    const path = join(folder, `gifts-${fileCount}.${extension}`)
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }
  const publish = (path: string, ...args: string[]) =>
    runCli(system.env, 'publish', '--file', path, '--type', 'VOUCHER', ...args)
  const sent = async (promotionId: string) =>
    (await system.records('VOUCHER')).filter(record => String(record.promotionId) === promotionId)

  test('a CSV becomes messages, ids exact, other columns kept; a second run publishes nothing', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    const [one = '', two = ''] = ['9223372036854775807', targetsOf(1)[0]]
    const path = fileOf('csv', [
      'voucherTargetId,memberId,amount,note',
      `${one},9007199254740993,500,"said ""yes"", twice"`,
      '',
      `${two},2,700,`,
    ])
    const { code, stdout, stderr } = await publish(path, '--promotion', promotionId, '--summary', '7', '--json')
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ rows: 2, published: 2, invalidCount: 0 })
    const common = { promotionId, promotionSummaryId: '7' }
    expect((await sent(promotionId)).sort((a, b) => Number(a.memberId) - Number(b.memberId))).toEqual([
      { ...common, voucherTargetId: two, memberId: '2', amount: '700', partitionKey: '2' },
      {
        ...common,
        voucherTargetId: one,
        memberId: '9007199254740993',
        amount: '500',
        partitionKey: '9007199254740993',
        note: 'said "yes", twice',
      },
    ])
    const { rows: logged } = await sql<{ who: string; what: string; outcome: string; rows: number }>`
      select who, what, outcome, (detail->>'rows')::int as rows from admin_audit
      where target = ${promotionId}`.execute(system.kysely)
    expect(logged).toEqual([{ who: expect.stringContaining('@'), what: 'publish', outcome: 'done', rows: 2 }])
    const again = await publish(path, '--promotion', promotionId, '--summary', '7')
    expect([again.code, again.stdout]).toEqual([
      0,
      'all 2 rows were published before; --restart publishes them again\n',
    ])
    expect(await sent(promotionId)).toHaveLength(2)
    writeFileSync(path, `${readFileSync(path, 'utf8')}1${two.slice(1)},3,1,\n`)
    const changed = await publish(path, '--promotion', promotionId, '--summary', '7')
    expect(changed.code).toBe(1)
    expect(changed.stderr).toMatch(/is of another content.*--restart/)
  })

  test('what is wrong is told by its line, and nothing is published', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    const [target] = targetsOf(1)
    const good = { promotionId, promotionSummaryId: 1, voucherTargetId: target, memberId: 1, amount: 5 }
    const path = fileOf('jsonl', [
      JSON.stringify(good),
      JSON.stringify({ ...good, amount: 12.5, voucherTargetId: '5' }),
      '{"promotionId": ',
      JSON.stringify(good),
      JSON.stringify({ ...good, voucherTargetId: '9223372036854775808' }),
    ])
    const { code, stdout } = await publish(path)
    expect(code).toBe(1)
    expect(stdout.split('\n')).toEqual([
      `${path}:2: amount must be an integer from 1 to 2^63-1`,
      expect.stringMatching(new RegExp(`^${path}:3: not JSON: `)),
      `${path}:4: its target ${target} stands on line 1 already`,
      `${path}:5: voucherTargetId must be an integer from 1 to 2^63-1`,
      '4 of 5 rows are wrong: nothing was published',
      '',
    ])
    expect(await sent(promotionId)).toEqual([])
    const csv = fileOf('csv', ['targetId,memberId,amount', '1,2', '3,4,5'])
    expect((await publish(csv, '--promotion', promotionId)).stdout).toContain(`${csv}:2: not CSV`)
  })

  test('what every row lacks is told with the option that gives it', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    const path = fileOf('csv', ['targetId,memberId,amount', `${targetsOf(1)[0]},1,1`])
    expect((await publish(path, '--promotion', promotionId)).stdout).toContain(
      `${path}:2: promotionSummaryId is missing: --summary gives it to every row\n`,
    )
    expect((await publish(path, '--summary', '1')).stdout).toContain(
      `${path}:2: promotionId is missing: --promotion gives it to every row\n`,
    )
  })

  slowTest(
    'a column that is missing is named as missing, and the wrong type where the other type has its column',
    async () => {
      const promotionId = await system.promotion('VOUCHER', 'READY')
      const complaint = async (header: string) => {
        const path = fileOf('csv', [header, '5,6'])
        const { code, stdout } = await publish(path, '--promotion', promotionId, '--summary', '1')
        return [code, stdout.replace(path, 'FILE').split('\n')[0]]
      }
      expect(await complaint('targetId,memberId')).toEqual([
        1,
        'FILE:2: amount is missing: the first line names targetId, memberId',
      ])
      expect(await complaint('voucherTargetId,amount')).toEqual([
        1,
        'FILE:2: memberId is missing: the first line names voucherTargetId, amount',
      ])
      expect(await complaint('memberId,amount')).toEqual([
        1,
        'FILE:2: voucherTargetId is missing: the first line names memberId, amount',
      ])
      expect(await complaint('pointTargetId,amount')).toEqual([
        1,
        'FILE:2: voucherTargetId is missing, and pointTargetId is there: is --type VOUCHER right?',
      ])
    },
  )

  test('a promotion that would not take the gifts is told before', async () => {
    const [target] = targetsOf(1)
    const path = fileOf('csv', ['targetId,memberId,amount,promotionSummaryId', `${target},1,1,1`])
    const completed = await system.promotion('VOUCHER', 'COMPLETED')
    const points = await system.promotion('POINT', 'READY')
    const refusal = async (id: string) => (await publish(path, '--promotion', id)).stderr
    expect(await refusal('1')).toBe('promostream: there is no promotion 1: create it first\n')
    expect(await refusal(completed)).toBe(`promostream: promotion ${completed} is COMPLETED: it takes no gift\n`)
    expect(await refusal(points)).toBe(`promostream: promotion ${points} gives POINT, not VOUCHER\n`)
  })

  test('unchecked, it leaves its row in the activity log all the same; a dry run leaves none', async () => {
    const [targetId] = targetsOf(1)
    const nobody = '404404'
    const path = fileOf('csv', ['targetId,memberId,amount', `${targetId},1,5`])
    const args = ['--promotion', nobody, '--summary', '1', '--no-check']
    expect((await publish(path, ...args, '--dry-run')).code).toBe(0)
    const logged = async () =>
      (
        await sql`select what, outcome, detail->'unchecked' as unchecked from admin_audit where target = ${nobody}`.execute(
          system.kysely,
        )
      ).rows
    expect(await logged()).toEqual([])
    expect((await publish(path, ...args)).stdout).toBe('1 of 1 gifts published\n')
    expect(await logged()).toEqual([{ what: 'publish', outcome: 'done', unchecked: true }])
    const path2 = fileOf('csv', ['targetId,memberId,amount', `${targetId},1,5`])
    const without = await runCli(
      { ...system.env, DATABASE_URL: '' },
      'publish',
      '--file',
      path2,
      '--type',
      'VOUCHER',
      ...args,
    )
    expect([without.code, without.stdout]).toEqual([1, ''])
    expect(without.stderr).toMatch(/^promostream: DATABASE_URL .*\n$/)
  })

  slowTest(
    'after a kill the same command goes on; no gift is missing, and few are sent twice',
    async () => {
      const promotionId = await system.promotion('VOUCHER', 'READY')
      const rows = 30_000
      const targets = Array.from({ length: 3 }, () => targetsOf(10_000)).flat()
      const path = fileOf('csv', ['targetId,memberId,amount', ...targets.map((id, index) => `${id},${index + 1},5`)])
      const args = ['publish', '--file', path, '--type', 'VOUCHER', '--promotion', promotionId, '--summary', '1']
      const dryRun = await runCli(system.env, ...args, '--dry-run')
      expect([dryRun.code, dryRun.stdout]).toEqual([0, `${rows} rows are good; nothing was published\n`])
      const marked = () => {
        try {
          return (JSON.parse(readFileSync(`${path}.published.json`, 'utf8')) as { published: number }).published
        } catch {
          return 0
        }
      }
      const child = startCli(system.env, ...args)
      const killed = new Promise(resolve => child.once('close', resolve))
      await system.until('a mark', async () => marked() > 0)
      child.kill('SIGKILL')
      await killed
      const before = marked()
      expect(before).toBeLessThan(rows)

      const { code, stdout, stderr } = await runCli(system.env, ...args, '--json')
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(stdout)).toMatchObject({ rows, published: rows - before, publishedBefore: before })
      const messages = await sent(promotionId)
      expect(new Set(messages.map(({ voucherTargetId }) => voucherTargetId)).size).toBe(rows)
      expect(messages.length - rows).toBeLessThanOrEqual(2000)
    },
    60_000,
  )
})
