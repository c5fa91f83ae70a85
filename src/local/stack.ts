import '#runtime/node-version.cjs'
import { renameSync, writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { STACK_SERVERS, type Stack, type StackServer, startStack } from '#local/embedded-stack.ts'

interface Flags {
  envFile?: string
  moneyLatency?: number
  faults?: number
  seed?: number
  only?: StackServer[]
}

const command = new Command('stack')
  .description('Starts PostgreSQL, Redis, Apache Kafka and a Money API simulator, and prints the environment to use.')
  .option('--env-file <file>', 'write the environment to a file, once everything is ready')
  .option('--money-latency <ms>', 'how long a call of the Money API takes', numberWithin(0, 600_000))
  .option('--faults <percent>', 'share of the Money API calls that are faulty', numberWithin(0, 100))
  .option('--seed <n>', 'draws the faults', numberWithin(0, 2 ** 32 - 1))
  .option('--only <servers>', `some of ${STACK_SERVERS.join(',')}`, serverList)

function numberWithin(lowest: number, highest: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() !== '' && value >= lowest && value <= highest) return value
    throw new InvalidArgumentError(`It must be a number from ${lowest} to ${highest}.`)
  }
}

function serverList(text: string): StackServer[] {
  return text.split(',').map(name => {
    const server = STACK_SERVERS.find(known => known === name.trim())
    if (server === undefined) throw new InvalidArgumentError(`There are ${STACK_SERVERS.join(', ')}.`)
    return server
  })
}

function start(flags: Flags): Promise<Stack> {
  return startStack({
    env: processEnvironment(),
    ...(flags.only === undefined ? {} : { servers: flags.only }),
    money: {
      ...(flags.moneyLatency === undefined ? {} : { latencyMs: flags.moneyLatency }),
      ...(flags.faults === undefined ? {} : { faultPercent: flags.faults }),
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    },
    onProgress: line => process.stderr.write(`${line}\n`),
  })
}

function announce(stack: Stack, envFile: string | undefined): void {
  const lines = Object.entries(stack.env).map(([name, value]) => `${name}=${value}\n`)
  process.stdout.write(lines.join(''))
  if (envFile === undefined) return
  // Whoever waits for the file sees it whole or not at all, and nobody else reads the token.
  const draft = `${envFile}.${process.pid}`
  writeFileSync(draft, lines.join(''), { mode: 0o600 })
  renameSync(draft, envFile)
}

async function main(): Promise<void> {
  const flags = command.parse().opts<Flags>()
  const stopped = new Promise<void>(resolve => {
    // For good: npm passes on a Ctrl-C that the terminal has sent us too, and the second must not cut the stop short.
    process.on('SIGINT', () => resolve())
    process.on('SIGTERM', () => resolve())
  })
  const stack = await Promise.race([start(flags), stopped])
  // Stopped while it was starting: the end of this process takes the servers with it.
  if (stack === undefined) process.exit(0)
  const alive = setInterval(() => undefined, 60_000)
  try {
    announce(stack, flags.envFile)
    process.stderr.write('Ready. Ctrl-C stops everything.\n')
    await stopped
  } finally {
    clearInterval(alive)
    await stack.close()
  }
}

main().then(
  () => process.exit(0),
  (error: Error) => {
    process.stderr.write(`stack: ${error.message}\n`)
    process.exit(1)
  },
)
