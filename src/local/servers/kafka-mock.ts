import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { LocalStackError } from './errors.ts'
import { findExecutable } from './executables.ts'
import { type LocalContext, type LocalServer, localServer } from './local-server.ts'
import { aptInstall, hasApt } from './packages.ts'
import { ServerProcess } from './server-process.ts'
import { serverFolder } from './workspace.ts'

const MOCK_CLUSTER = '-P -b x -X test.mock.num.brokers=1 -X log_level=6 -t keepalive'.split(' ')
const READY_PATTERN = /Mock cluster enabled:.* replaced with (\S+)/

/**
 * librdkafka's mock cluster inside kcat: enough for a first look where no Java can be had, and nothing else. It keeps
 * messages in memory, makes topics by itself (4 partitions), cannot delete topics or groups, has no idempotent
 * producer, and a restart is a new, empty cluster on another port. Gives `KAFKA_BROKERS`.
 */
export function kafkaMockServer(context: LocalContext): LocalServer {
  const { env, folder, keep } = context
  const home = join(folder, 'kafka')
  const input = join(home, 'input')
  const logFile = join(folder, 'kafka.log')
  let kcat = ''
  return localServer(context, {
    name: 'Kafka mock cluster (kcat)',
    // It picks its port itself.
    ports: 0,
    // It waits for its input to end before it heeds anything else.
    stopSignal: 'SIGKILL',
    stopDeadlineMs: 1000,
    prepare: async () => {
      serverFolder(folder, 'kafka')
      kcat = await findKcat(context)
      await runCommand('mkfifo', [input], { env })
    },
    launch: () =>
      ServerProcess.start({
        name: 'Kafka mock cluster',
        file: '/bin/sh',
        // It lives as long as its input; a pipe that is open for writing too never ends.
        args: ['-c', 'exec "$@" <>"$0"', input, kcat, ...MOCK_CLUSTER],
        env,
        cwd: home,
        logFile,
        readyPattern: READY_PATTERN,
        readyTimeoutMs: 10_000,
        deathSignal: 'KILL',
        keep,
      }),
    variables: () => ({ KAFKA_BROKERS: READY_PATTERN.exec(readFileSync(logFile, 'utf8'))?.[1] ?? '' }),
  })
}

async function findKcat(context: LocalContext): Promise<string> {
  const names = ['kcat', 'kafkacat']
  const found = findExecutable(context.env, ...names)
  if (found !== undefined) return found
  if (hasApt(context)) await aptInstall(context, 'kcat').catch(() => undefined)
  const installed = findExecutable(context.env, ...names)
  if (installed !== undefined) return installed
  throw new LocalStackError('KAFKA_MISSING', 'no Kafka: install Java 17 and Maven (or kcat), or set KAFKA_BROKERS')
}
