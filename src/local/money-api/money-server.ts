import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LocalContext, type LocalServer, localServer } from '#local/servers/local-server.ts'
import { ServerProcess } from '#local/servers/server-process.ts'
import { serverFolder } from '#local/servers/workspace.ts'
import type { MoneyControl } from './money-control.ts'

const PROGRAM = fileURLToPath(new URL('./money-simulator-server.ts', import.meta.url))

/** What a stack can say of its Money API. */
export interface MoneyOptions extends Partial<MoneyControl> {
  /** File that its charges are appended to: by default in the stack's folder, so that they survive a restart. */
  ledger?: string
}

/** The Money API simulator in a process of its own. Gives `MONEY_API_URL` and `MONEY_API_TOKEN`. */
export function moneyServer(context: LocalContext, options: MoneyOptions = {}): LocalServer {
  const { env, folder, keep } = context
  const { ledger = join(folder, 'money', 'ledger.ndjson'), ...settings } = options
  const token = env.MONEY_API_TOKEN || randomBytes(16).toString('hex')
  return localServer(context, {
    name: 'Money API simulator',
    ports: 1,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 2000,
    prepare: async () => {
      serverFolder(folder, 'money')
    },
    launch: ([port]) =>
      ServerProcess.start({
        name: 'Money API simulator',
        file: process.execPath,
        args: [
          PROGRAM,
          '--port',
          String(port),
          '--token',
          token,
          '--ledger',
          ledger,
          '--settings',
          JSON.stringify(settings),
        ],
        env,
        cwd: join(folder, 'money'),
        logFile: join(folder, 'money.log'),
        readyPattern: /listening on/,
        readyTimeoutMs: 30_000,
        deathSignal: 'KILL',
        keep,
      }),
    variables: ([port]) => ({ MONEY_API_URL: `http://127.0.0.1:${port}`, MONEY_API_TOKEN: token }),
  })
}
