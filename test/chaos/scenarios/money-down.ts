import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { request } from 'undici'
import { countStates } from '#local/demo/account.ts'
import type { DemoPromotion } from '#local/demo/gifts.ts'
import { say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

/** Two workers, two promotions: each slot is 80 calls a second at 50 ms; the gifts last for 50 s of them. */
const GIFTS_A_SLOT = 4000
const BASELINE_MS = 8000
const RECOVERY_MS = 30_000
const seconds = 60

/**
 * The Money API answers 503 to everything for a minute: the calls fall to a tenth, the rate is back within 30 s, nothing
 * is tried for the first time meanwhile.
 */
export const moneyDown: Scenario = {
  about: 'the Money API answers 503 to everything for 60 s',
  messages: 40_000,
  run: async ({ messages: wanted, start }) => {
    const messages = Math.max(GIFTS_A_SLOT, wanted)
    const slots = Math.min(10, Math.floor(messages / GIFTS_A_SLOT))
    const system = await start({ env: { REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: String(slots) } })
    const { kysely } = system
    const moneyUrl = system.env.MONEY_API_URL!
    await Promise.all((['listener', 'worker', 'worker'] as const).map(kind => system.child(kind)))

    const promotions = await Promise.all([
      system.plan(Math.ceil(messages / 2)),
      system.plan(Math.floor(messages / 2), 'POINT'),
    ])
    await Promise.all(promotions.map(promotion => system.publish(promotion)))
    await system.until('all rows', async () => total(await countStates(kysely, promotions)) >= messages, 300_000)
    await Promise.all(promotions.map(promotion => system.run(promotion)))
    await system.until('work under way', async () => (await summary(moneyUrl)).charges > messages / 40)

    say('measuring the rate')
    const baseline = await chargeRate(moneyUrl, BASELINE_MS)
    say(`${Math.round(baseline)} charges/s; the Money API goes down for ${seconds} s`)
    await system.control({ down: true })
    const downAt = Date.now()
    const callsBefore = (await summary(moneyUrl)).requests
    await sleep(2000)
    const [callsEarly, triedEarly] = [(await summary(moneyUrl)).requests, await triedCount(kysely, promotions)]
    await sleep(downAt + seconds * 1000 - Date.now())
    const [callsWhileDown, triedLate] = [
      (await summary(moneyUrl)).requests - callsBefore,
      await triedCount(kysely, promotions),
    ]
    const mostAttempts = await attemptsOfUnfinished(kysely, promotions)
    await system.control({ down: false })

    say('it is back')
    const upAt = Date.now()
    const recoveredSeconds = await secondsToRecover(moneyUrl, upAt, baseline * 0.9)

    const { UNKNOWN } = await countStates(kysely, promotions)
    const figures = {
      outageSeconds: seconds,
      chargesPerSecondBefore: Math.round(baseline),
      callsFirst2Seconds: callsEarly - callsBefore,
      callsPerSecondWhileDown: round(callsWhileDown / seconds),
      callSharePercent: round((100 * callsWhileDown) / seconds / baseline),
      firstTriedAfter2Seconds: triedLate - triedEarly,
      mostAttemptsOfUnfinished: mostAttempts,
      recoveredSeconds,
    }
    return {
      figures,
      checks: {
        fewCallsWhileDown: figures.callSharePercent <= 10,
        nothingTriedFirstWhileDown: figures.firstTriedAfter2Seconds === 0,
        backInTime: recoveredSeconds !== null,
        noneUnknown: UNKNOWN === 0,
      },
    }
  },
}

async function summary(moneyUrl: string): Promise<{ requests: number; charges: number }> {
  const { body } = await request(`${moneyUrl}/ledger/summary`)
  return (await body.json()) as { requests: number; charges: number }
}

async function chargeRate(moneyUrl: string, forMs: number): Promise<number> {
  const [from, fromMs] = [(await summary(moneyUrl)).charges, performance.now()]
  await sleep(forMs)
  return ((await summary(moneyUrl)).charges - from) / ((performance.now() - fromMs) / 1000)
}

/** When a window of two seconds began that reached the rate; null: not in time. */
async function secondsToRecover(moneyUrl: string, upAt: number, rate: number): Promise<number | null> {
  while (Date.now() - upAt < RECOVERY_MS) {
    const beganAt = Date.now()
    if ((await chargeRate(moneyUrl, 2000)) >= rate) return round((beganAt - upAt) / 1000)
  }
  return null
}

/** Rows of which at least one POST was sent. */
function triedCount(kysely: Kysely<unknown>, of: readonly DemoPromotion[]): Promise<number> {
  return overTables(kysely, of, sql`count(*) filter (where attempts > 0)`)
}

function attemptsOfUnfinished(kysely: Kysely<unknown>, of: readonly DemoPromotion[]): Promise<number> {
  return overTables(kysely, of, sql`coalesce(max(attempts) filter (where process_status = 'RETRYING'), 0)`, Math.max)
}

async function overTables(
  kysely: Kysely<unknown>,
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
