import { STACK_SERVERS, type Stack, startStack } from '#local/embedded-stack.ts'
import { LocalStackError } from '#local/servers/errors.ts'
import { createTemplate, forgetInCrashes } from './stack-env.ts'

/** Leads from the set-up to the tear-down, which run in the same process. */
const HOLDER = globalThis as typeof globalThis & { promostreamStack?: Stack }

const print = (line: string) => process.stderr.write(`[stack] ${line}\n`)

/**
 * Starts the embedded stack once a run. Test files find its variables as JSON in `PROMOSTREAM_TEST_ENV`; where no real
 * Kafka can be had, `PROMOSTREAM_TEST_KAFKA_MISSING` says why, and tests that need a broker count as skipped.
 */
export default async function globalSetup(): Promise<void> {
  const options = { env: process.env, money: { latencyMs: 5 }, onProgress: print }
  try {
    HOLDER.promostreamStack = await startStack(options)
  } catch (error) {
    if (!(error instanceof LocalStackError) || error.code !== 'KAFKA_MISSING') throw error
    print(`!!! ${error.message}`)
    print('!!! Tests that need a broker are SKIPPED.')
    process.env.PROMOSTREAM_TEST_KAFKA_MISSING = error.message
    const servers = STACK_SERVERS.filter(name => name !== 'kafka')
    HOLDER.promostreamStack = await startStack({ ...options, servers })
  }
  process.env.PROMOSTREAM_TEST_ENV = JSON.stringify(HOLDER.promostreamStack.env)
  if (HOLDER.promostreamStack.servers.postgres !== undefined) await forgetInCrashes()
  process.env.PROMOSTREAM_TEST_TEMPLATE = await createTemplate()
}
