import { Command } from 'commander'
import { runArchive } from './archive-run.ts'
import { parseId, print } from './command-line.ts'

export const archiveCommand = new Command('archive')
  .description('move the gifts of a COMPLETED promotion out to a file; that each target was paid is kept')
  .argument('<id>', 'the promotion', parseId)
  .requiredOption('--file <path>', 'JSON lines, a gift each, with gzip when the name ends with .gz; must not exist yet')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream archive 42 --file promotion-42.jsonl.gz')
  .action(async (id: string, options: { file: string; json?: boolean }) => {
    const { archived } = await runArchive(id, options.file)
    print(options, { id, archived, file: options.file }, () => [
      archived === 0
        ? `promotion ${id} has no rows: nothing to archive`
        : `promotion ${id}: ${archived} gifts are in ${options.file}, and no longer in the database`,
    ])
  })
