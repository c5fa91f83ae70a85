import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readGiftFile } from '#bin/commands/gift-file.ts'
import { readSettlement } from '#promotion/audit/settlement-file.ts'
import { FUZZ_LIMIT_MS, fuzzBriefly, recordLike } from '#test/support/fuzz.ts'

let folder: string
let path: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'promostream-fuzz-'))
  path = join(folder, 'file')
})
afterAll(() => rmSync(folder, { recursive: true }))

const ID = /^[1-9]\d{0,18}$/
const LINE_ENDS = ['\n', '\r\n', '\r', '\n\n']

/** Files of lines like these, or with wild bytes among them. */
function fileOf(line: fc.Arbitrary<string>) {
  const lines = fc.tuple(fc.array(line, { maxLength: 6 }), fc.constantFrom(...LINE_ENDS), fc.constantFrom('', '\uFEFF'))
  const text = lines.map(([all, end, mark]) => Buffer.from(mark + all.join(end)))
  return fc.oneof(
    { arbitrary: text, weight: 9 },
    fc.uint8Array().map(bytes => Buffer.from(bytes)),
  )
}
const csvField = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n }).map(String),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"', '""', '"a,b"', '"a""b"', '" ', '__proto__', 'key', 'amount', ''),
)
const csvLine = (...headers: string[]) =>
  fc.oneof(
    fc.constantFrom(...headers),
    fc.array(csvField, { minLength: 1, maxLength: 6 }).map(fields => fields.join()),
  )

test(
  'a settlement is read, or refused with the number of its line',
  async () => {
    const json = recordLike(['amount'], { key: fc.string(), transactionKey: fc.string() })
    const csv = csvLine('key,transactionKey,amount', 'VOUCHER:1,t,5', '"key","amount",transactionKey')
    await fc.assert(
      fc.asyncProperty(fc.oneof(fileOf(json), fileOf(csv)), async content => {
        writeFileSync(path, content)
        try {
          for await (const charge of readSettlement(path)) expect(charge.amount).toMatch(ID)
        } catch (error) {
          expect(error).toMatchObject({
            code: 'SETTLEMENT_UNREADABLE',
            message: expect.stringMatching(/, line \d+: ./),
          })
        }
      }),
      fuzzBriefly,
    )
  },
  FUZZ_LIMIT_MS,
)

/** The reason names what the first line names. */
const NAME_WITH_LINE_END = Buffer.from('",__proto__\n",0\n__proto__,')

test.each(['csv', 'jsonl'] as const)(
  'each row of a %s file is a gift with exact ids, or wrong for a reason of one line; the reading never fails',
  async format => {
    const fields = ['promotionId', 'promotionSummaryId', 'voucherTargetId', 'targetId', 'memberId', 'amount']
    const line = format === 'csv' ? csvLine(fields.join(), '1,2,3,3,4,5') : recordLike(fields)
    await fc.assert(
      fc.asyncProperty(fileOf(line), fc.boolean(), async (content, isNamed) => {
        writeFileSync(path, content)
        const defaults = { type: 'VOUCHER', ...(isNamed ? { promotionId: '1', promotionSummaryId: '2' } : {}) } as const
        for await (const row of readGiftFile(path, format, defaults)) {
          expect(row.line).toBeGreaterThan(0)
          if (!row.ok) expect(row.reason.split('\n')).toHaveLength(1)
          else expect([row.promotionId, row.targetId].every(id => ID.test(id))).toBe(true)
        }
      }),
      { ...fuzzBriefly, examples: format === 'csv' ? [[NAME_WITH_LINE_END, true]] : [] },
    )
  },
  FUZZ_LIMIT_MS,
)
