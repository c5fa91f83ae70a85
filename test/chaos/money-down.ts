import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { request } from 'undici'
import { countStates, describeAccount, isBalanced } from '#demo/account.ts'
import { type DemoPromotion, publishGifts } from '#demo/gifts.ts'
import { openInstallation } from './installation.ts'

/**
 * The Money API answers 503 to everything for a while. Exit code 0 only if the calls fall to a tenth, the
 * rate is back within 30 s, nothing is tried for the first time meanwhile, and the account balances.
 * `node test/chaos/money-down.ts --seconds 60 --messages 40000`; the last line is JSON.
 */
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, messages: { type: 'string', default: '40000' } },
})
const [seconds, messages] = [Number(values.seconds), Number(values.messages)]
const say = (line: string) => process.stderr.write(`${line}\n`)
/** Two workers, two promotions: 800 calls a second at 50 ms. */
const SLOTS = '10'
const BASELINE_MS = 8000
const RECOVERY_MS = 30_000

const installation = await openInstallation({
  money: { latencyMs: 50 },
  settings: { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: SLOTS },
  say,
})
const { kysely } = installation.database
const moneyUrl = installation.env.MONEY_API_URL ?? ''
const children = await Promise.all((['listener', 'worker', 'worker'] as const).map(installation.start))

const promotions = await installation.plan(messages)
await Promise.all(promotions.map(promotion => publishGifts(installation.events, promotion)))
await until(async () => total(await countStates(kysely, promotions)) >= messages)
for (const { id, gifts } of promotions) await installation.repository.start(id, gifts)
await until(async () => (await chargeCount()) > 1000)

say('measuring the rate')
const baseline = await rateOf(chargeCount, BASELINE_MS)
say(`${Math.round(baseline)} charges/s; the Money API goes down for ${seconds} s`)
await control({ down: true })
const downAt = Date.now()
const callsBefore = await callCount()
await sleep(2000)
const [callsEarly, triedEarly] = [await callCount(), await triedCount(promotions)]
await sleep(downAt + seconds * 1000 - Date.now())
const [callsWhileDown, triedLate] = [(await callCount()) - callsBefore, await triedCount(promotions)]
const mostAttempts = await attemptsOfUnfinished(promotions)
await control({ down: false })

say('it is back')
const upAt = Date.now()
const recoveredSeconds = await secondsToRecover(baseline * 0.9)
const account = await installation.drain(promotions, messages)
for (const line of describeAccount(account)) process.stdout.write(`${line}\n`)
const figures = {
  outageSeconds: seconds,
  chargesPerSecondBefore: Math.round(baseline),
  callsFirst2Seconds: callsEarly - callsBefore,
  callsPerSecondWhileDown: round(callsWhileDown / seconds),
  callSharePercent: round((100 * callsWhileDown) / seconds / baseline),
  firstTriedAfter2Seconds: triedLate - triedEarly,
  mostAttemptsOfUnfinished: mostAttempts,
  recoveredSeconds,
  unknown: account.states.UNKNOWN,
  chargedTwice: account.duplicateCharges,
  balanced: isBalanced(account),
}
const isGood =
  figures.callSharePercent <= 10 &&
  figures.firstTriedAfter2Seconds === 0 &&
  recoveredSeconds !== null &&
  figures.unknown === 0 &&
  figures.balanced
await Promise.all(children.map(child => child.stop()))
await installation.close()
process.stdout.write(`${JSON.stringify({ ...figures, ok: isGood })}\n`)
process.exitCode = isGood ? 0 : 1

async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(100)
}

async function control(settings: Record<string, unknown>): Promise<void> {
  const { body } = await request(`${moneyUrl}/control`, { method: 'PUT', body: JSON.stringify(settings) })
  await body.dump()
}

async function ledger(): Promise<{ requests: number; charges: number }> {
  const { body } = await request(`${moneyUrl}/ledger/summary`)
  return (await body.json()) as { requests: number; charges: number }
}

async function callCount(): Promise<number> {
  return (await ledger()).requests
}

async function chargeCount(): Promise<number> {
  return (await ledger()).charges
}

async function rateOf(count: () => Promise<number>, forMs: number): Promise<number> {
  const [from, fromMs] = [await count(), performance.now()]
  await sleep(forMs)
  return ((await count()) - from) / ((performance.now() - fromMs) / 1000)
}

/** When a window of two seconds began that reached the rate; null: not in time. */
async function secondsToRecover(rate: number): Promise<number | null> {
  while (Date.now() - upAt < RECOVERY_MS) {
    const beganAt = Date.now()
    if ((await rateOf(chargeCount, 2000)) >= rate) return round((beganAt - upAt) / 1000)
  }
  return null
}

/** Rows of which at least one POST was sent. */
function triedCount(of: readonly DemoPromotion[]): Promise<number> {
  return overTables(of, sql`count(*) filter (where attempts > 0)`)
}

function attemptsOfUnfinished(of: readonly DemoPromotion[]): Promise<number> {
  return overTables(of, sql`coalesce(max(attempts) filter (where process_status = 'RETRYING'), 0)`, Math.max)
}

async function overTables(
  of: readonly DemoPromotion[],
  value: ReturnType<typeof sql>,
  merge = (one: number, other: number) => one + other,
): Promise<number> {
  let merged = 0
  for (const { id, type } of of) {
    const table = sql.table(`campaign_promotion_${type.toLowerCase()}_result`)
    const { rows } = await sql<{ value: number }>`
      select (${value})::float8 as value from ${table} where promotion_id = ${id}::bigint`.execute(kysely)
    merged = merge(merged, rows[0]?.value ?? 0)
  }
  return merged
}

function total(states: Record<string, number>): number {
  return Object.values(states).reduce((sum, count) => sum + count, 0)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
