import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { readGiftFile } from '#bin/commands/gift-file.ts'
import { until } from '#test/support/redis.ts'

let path: string
beforeAll(() => {
  path = join(mkdtempSync(join(tmpdir(), 'promostream-gifts-')), 'file')
})
afterAll(() => rmSync(join(path, '..'), { recursive: true }))

const CSV = 'voucherTargetId,memberId,amount\n1,2,3\n'
const JSON_LINES = '{"voucherTargetId":"1","memberId":"2","amount":"3"}\n'

test.each([
  ['a CSV file that is read to its end', 'csv', CSV, 2],
  ['a CSV file whose quotes are broken', 'csv', `${CSV}"4,5,6\n${'7,8,9\n'.repeat(50_000)}`, 3],
  ['a CSV file of which one row is wanted', 'csv', CSV.repeat(50_000), 1],
  ['JSON lines that are read to their end', 'jsonl', JSON_LINES, 2],
  ['JSON lines of which one is wanted', 'jsonl', JSON_LINES.repeat(50_000), 1],
] as const)('%s is closed', async (_what, format, content, wanted) => {
  writeFileSync(path, content)
  let read = 0
  for await (const row of readGiftFile(path, format, { type: 'VOUCHER', promotionId: '1', promotionSummaryId: '2' })) {
    read += 1
    if (read === 1) expect(row).toMatchObject({ ok: true, targetId: '1' })
    if (read === wanted) break
  }

  await until('no descriptor of it is open', () => openDescriptors() === 0)
})

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length
}
