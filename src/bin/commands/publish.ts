import { Command, Option } from 'commander'
import { GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { parseId, print } from './command-line.ts'
import type { PublishOptions, PublishReport } from './publish-run.ts'

const TARGET_FIELDS = PROMOTION_TYPES.map(type => GIFT_TYPES[type].targetField).join(' or ')

const EXPLANATION = `
The file is CSV with a header, or one JSON object a line. Columns (fields): promotionId and promotionSummaryId, unless
--promotion and --summary name them for all; ${TARGET_FIELDS} (or targetId); memberId; amount in minor
units; partitionKey, by default the member's id. Others are kept in the message. Every row is checked first, and nothing
is published while one is wrong. FILE.published.json remembers how far it came: after a failure or a kill the same
command goes on from there, and what is sent twice is a duplicate, not paid twice.

Example:
  promostream publish --file gifts.csv --type VOUCHER --promotion 42 --summary 7`

export const publishCommand = new Command('publish')
  .description('publish the gifts of a file to their Kafka topic')
  .requiredOption('--file <path>', 'CSV or JSON lines')
  .addOption(new Option('--type <type>', 'what they are').choices(PROMOTION_TYPES).makeOptionMandatory())
  .option('--promotion <id>', 'the promotion of every row', parseId)
  .option('--summary <id>', 'the summary of every row that names none', parseId)
  .addOption(new Option('--format <format>', 'when the name of the file does not say').choices(['csv', 'jsonl']))
  .option('--dry-run', 'check the file, publish nothing')
  .option('--restart', 'begin at the first row, whatever was published before')
  .option('--no-check', 'do not ask whether the promotions take gifts; the activity log has its row all the same')
  .option('--json', 'print one JSON object')
  .addHelpText('after', EXPLANATION)
  .action(async (options: PublishOptions & { json?: boolean }) => {
    const { runPublish } = await import('./publish-run.ts')
    const report = await runPublish(options)
    print(options, { file: options.file, dryRun: options.dryRun === true, ...report }, () => describe(options, report))
    if (report.invalidCount > 0) process.exitCode = 1
  })

function describe({ file, dryRun }: PublishOptions, report: PublishReport): string[] {
  const { rows, published, publishedBefore, invalid, invalidCount } = report
  if (invalidCount > 0) {
    const more = invalidCount > invalid.length ? [`… and ${invalidCount - invalid.length} more`] : []
    const lines = invalid.map(({ line, reason }) => `${file}:${line}: ${reason}`)
    return [...lines, ...more, `${invalidCount} of ${rows} rows are wrong: nothing was published`]
  }
  if (dryRun) return [`${rows} rows are good; nothing was published`]
  if (published === 0) return [`all ${rows} rows were published before; --restart publishes them again`]
  const before = publishedBefore === 0 ? '' : `, ${publishedBefore} before`
  return [`${published} of ${rows} gifts published${before}`]
}
