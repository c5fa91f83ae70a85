import { setFlagsFromString } from 'node:v8'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { AuditOptions } from './audit-run.ts'
import { parseId, print } from './command-line.ts'

const CONCURRENCY = 32
const EXIT_DISCREPANCIES = 3

export const auditCommand = new Command('audit')
  .description(
    'prove that messages, rows, entries, retry jobs, charges and counters say the same, or name what does not',
  )
  .argument('[ids...]', 'the promotions; none = all', (id: string, ids: string[] = []) => [...ids, parseId(id)])
  .addOption(new Option('--charges <source>', 'ask the Money API for every row, by its key').choices(['api']))
  .addOption(
    new Option(
      '--settlement <file>',
      'charges from a CSV or JSON-lines file (key, transactionKey, amount), - = stdin',
    ).conflicts('charges'),
  )
  .option('--no-kafka', 'leave the messages out')
  .option('--no-redis', 'leave stream entries and retry jobs out')
  .option('--repair', 'insert again what listeners have passed and PostgreSQL lost, and ask first before it is paid')
  .option('--record', 'leave what was found in the activity log: the admin makes metrics of it, for an alarm')
  .option('--rate <count>', 'most calls of the Money API a second', parseCount)
  .option('--concurrency <count>', 'calls of the Money API at once', parseCount, CONCURRENCY)
  .option('--limit <count>', 'most discrepancies that are listed; all are counted', parseCount, 100)
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    '\nExit codes: 0 all is accounted for, 3 discrepancies were found, 1 could not look, 2 wrong usage.',
  )
  .addHelpText('after', '\nExample:\n  promostream audit 42 --settlement charges.csv')
  .action(async (ids: string[], options: AuditOptions, command: Command) => {
    keepHeapSmall()
    if (options.repair === true && !options.kafka)
      command.error('error: --repair reads the messages: not with --no-kafka')
    const { describeReport, runAudit } = await import('./audit-run.ts')
    const report = await runAudit(ids, options)
    print(options, report, () => describeReport(report))
    if (!report.ok) process.exitCode = report.discrepancies.length > 0 ? EXIT_DISCREPANCIES : 1
  })

/**
 * An audit makes gigabytes of short-lived garbage over a small heap: V8 would rather let the heap grow fivefold than
 * collect it. These two are read at every collection, so that they still work in a process that runs.
 */
function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=10')
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, 1 or more.')
  return Number(text)
}
