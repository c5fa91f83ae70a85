/**
 * A process that holds a stack, for tests that kill it: starts the servers named by its first argument, prints one
 * JSON line `{env, pids, folder, kafka}`, and waits; SIGUSR2 makes it exit without closing. The second argument, `keep`, makes the servers outlive it.
 */
import { type StackServer, startStack } from '#local/embedded-stack.ts'

const [names = '', keep] = process.argv.slice(2)

// Before the line is printed: whoever reads it may send the signal at once.
process.once('SIGUSR2', () => process.exit(3))

const stack = await startStack({
  env: process.env,
  servers: names.split(',') as StackServer[],
  keep: keep === 'keep',
  onProgress: line => process.stderr.write(`${line}\n`),
})
const pids = Object.values(stack.servers).map(server => server.pid)
process.stdout.write(
  `${JSON.stringify({ ...stack, env: stack.env, pids, kafka: stack.kafka, howToStop: stack.howToStop })}\n`,
)
setInterval(() => undefined, 60_000)
