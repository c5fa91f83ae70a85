import { Argument, Command } from 'commander'
import { readAskFirst, setAskFirst } from '#database/switches.ts'
import { withChange } from './change.ts'
import { print } from './command-line.ts'
import { withDatabase } from './context.ts'

export const askFirstCommand = new Command('ask-first')
  .description('ask the Money API by GET before every POST, on every instance, until it is switched off')
  .addArgument(new Argument('<state>', 'what to do').choices(['on', 'off', 'status']))
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
After PostgreSQL was restored from a backup, or a replica without the last second was promoted: switch it on before the
processes start. A gift that was paid is found by its key, however old that is.

Example:
  promostream ask-first on`,
  )
  .action(async (state: 'on' | 'off' | 'status', options: { json?: boolean }) => {
    const { isOn, since, changed } = await withDatabase(async ({ database: { kysely } }) => {
      const change = { what: 'money.ask-first', target: state }
      const isChanged =
        state !== 'status' && (await withChange(kysely, change, () => setAskFirst(kysely, state === 'on')))
      return { ...(await readAskFirst(kysely)), changed: isChanged }
    })
    print(options, { isOn, since, changed }, () => [
      `every POST is ${isOn ? '' : 'not '}preceded by a GET${since === null ? '' : ` since ${since}`}`,
    ])
  })
