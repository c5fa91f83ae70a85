import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { countStates, describeAccount, isBalanced } from '#demo/account.ts'
import { publishGifts } from '#demo/gifts.ts'
import { openInstallation } from './installation.ts'

/**
 * Gifts beside a transaction that somebody has forgotten: the same number is paid without it and with it. Exit code 0
 * only if both accounts balance and the second rate is at least `--share` of the first.
 * `node test/chaos/long-transaction.ts --messages 200000 --share 0.8`; the last line is JSON.
 */
const { values } = parseArgs({
  options: { messages: { type: 'string', default: '200000' }, share: { type: 'string', default: '0.8' } },
})
const [messages, share] = [Number(values.messages), Number(values.share)]
const say = (line: string) => process.stderr.write(`${line}\n`)

const installation = await openInstallation({
  money: { latencyMs: 5 },
  // Enough slots that PostgreSQL, not the Money API, decides the rate.
  settings: {
    REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '256',
    DATABASE_TIMEOUT_MS: '5000',
    REDIS_STREAM_CLAIM_MIN_IDLE_MS: '30000',
  },
  say,
})
const { kysely } = installation.database
const children = await Promise.all((['listener', 'worker', 'worker'] as const).map(installation.start))
await run(Math.min(messages, 10_000))
say(`warm; now ${messages} gifts without it`)
const alone = await run(messages)
say(`${alone.perSecond} gifts/s; now with an open transaction`)
const beside = await kysely.connection().execute(async forgotten => {
  await sql`set idle_in_transaction_session_timeout = 0`.execute(forgotten)
  await sql`begin isolation level repeatable read`.execute(forgotten)
  await sql`select pg_current_xact_id()`.execute(forgotten)
  const result = await run(messages)
  await sql`rollback`.execute(forgotten)
  return result
})
await Promise.all(children.map(child => child.stop()))
await installation.close()
const isHeld = alone.isBalanced && beside.isBalanced && beside.perSecond >= alone.perSecond * share
process.stdout.write(
  `${JSON.stringify({ messages, alone, beside, share: Math.round((beside.perSecond / alone.perSecond) * 100) / 100 })}\n`,
)
process.exitCode = isHeld ? 0 : 1

/** Publishes and pays so many gifts; the rate counts from the first message to the last state. */
async function run(count: number): Promise<{ perSecond: number; isBalanced: boolean }> {
  const promotions = await installation.plan(count)
  for (const { id, gifts } of promotions) await installation.repository.start(id, gifts)
  const from = performance.now()
  await Promise.all(promotions.map(promotion => publishGifts(installation.events, promotion)))
  for (;;) {
    const states = await countStates(kysely, promotions)
    if (states.SUCCESS + states.FAILED + states.UNKNOWN >= count) break
    await sleep(500)
  }
  const perSecond = Math.round(count / ((performance.now() - from) / 1000))
  const account = await installation.drain(promotions, count)
  for (const line of describeAccount(account)) say(line)
  return { perSecond, isBalanced: isBalanced(account) }
}
