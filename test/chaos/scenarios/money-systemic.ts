import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import { readRequests } from '../ledger.ts'
import type { Scenario } from '../scenario.ts'

const KINDS = [
  'redirect-302',
  'no-route-404',
  'status-405',
  'status-410',
  'status-413',
  'status-426',
  'status-429',
  'html-200',
  'gzip',
] as const
/** With fewer gifts it is a look at the first kinds only. */
const WHOLE_RUN = 2000
const FEW_KINDS = 2
const GIFTS = 300
const OUTAGE_SECONDS = 30
const MAX_RECOVERY_SECONDS = 30
const WORKERS = 2
const MAX_POSTS = 60 * WORKERS
const ONE_IN = 500
const MIN_RATE = 0.9

/**
 * Something else answers for the Money API, each kind for a while: nothing is FAILED or UNKNOWN, few POSTs find out, and
 * every gift is paid soon after. Then one gift in 500 is answered 403 for ever: the others are paid at nearly their rate,
 * and it is UNKNOWN with its code.
 */
export const moneySystemic: Scenario = {
  about: 'something else answers for the Money API, to POST and GET alike; 403 for ever for one gift in 500',
  messages: 10_000,
  run: async ({ messages, start }) => {
    const system = await start({ env: { RETRY_BACKOFF_MAX_MS: '2000' } })
    await Promise.all((['listener', 'worker', 'worker'] as const).map(kind => system.child(kind)))
    const outages: Awaited<ReturnType<typeof outage>>[] = []
    const kinds = messages < WHOLE_RUN ? KINDS.slice(0, FEW_KINDS) : KINDS
    for (const kind of kinds) outages.push(await outage(system, kind))
    const { rate, unknown, expected } = await forbiddenOnes(system, messages)
    const worst = (name: 'posts' | 'failed' | 'unknown' | 'paidMeanwhile' | 'recoverySeconds') =>
      Math.max(...outages.map(each => each[name]))
    return {
      figures: { outages, mostPosts: worst('posts'), slowestRecovery: worst('recoverySeconds'), forbiddenRate: rate },
      checks: {
        noneFailed: worst('failed') === 0,
        noneUnknown: worst('unknown') === 0,
        nonePaidMeanwhile: worst('paidMeanwhile') === 0,
        fewPosts: worst('posts') <= MAX_POSTS,
        backInTime: worst('recoverySeconds') <= MAX_RECOVERY_SECONDS,
        othersKeepTheirRate: rate >= MIN_RATE,
        forbiddenOnesUnknown: unknown === expected,
      },
    }
  },
}

async function outage(system: ChaosSystem, kind: (typeof KINDS)[number]) {
  await system.control({ instead: kind })
  const posts = async () => (await readRequests(system.env.MONEY_API_URL!)).posts
  const before = await posts()
  const promotion = await system.plan(GIFTS)
  await system.run(promotion)
  await system.publish(promotion)
  await sleep(OUTAGE_SECONDS * 1000)
  const { FAILED: failed, UNKNOWN: unknown, SUCCESS: paidMeanwhile } = await system.promotions.countByStatus(promotion)
  const extra = (await posts()) - before
  await system.control({ instead: null })
  const isPaid = async () => (await system.promotions.countByStatus(promotion)).SUCCESS === GIFTS
  const recoverySeconds = await system
    .until('every gift SUCCESS', isPaid, 2 * MAX_RECOVERY_SECONDS * 1000)
    .catch(() => Number.POSITIVE_INFINITY)
  say(`${kind}: ${extra} POSTs, ${failed} FAILED, ${unknown} UNKNOWN, all paid ${recoverySeconds} s after`)
  return { kind, posts: extra, failed, unknown, paidMeanwhile, recoverySeconds }
}

/** Rate of the others, beside that of as many gifts without such ones. */
async function forbiddenOnes(system: ChaosSystem, messages: number) {
  const usual = await paid(system, messages, 0)
  const forbidden = Math.ceil(messages / ONE_IN)
  const withSome = await paid(system, messages, forbidden)
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from campaign_promotion_voucher_result
    where promotion_id = ${withSome.id}::bigint and process_status = 'UNKNOWN' and error_code = 'HTTP_403'`.execute(
    system.kysely,
  )
  await system.control({ forbid: null })
  const rate = Math.round((100 * usual.seconds) / withSome.seconds) / 100
  return { rate, unknown: rows[0]!.count, expected: forbidden }
}

async function paid(system: ChaosSystem, messages: number, forbidden: number) {
  const promotion = await system.plan(messages)
  const keyOf = (index: number) => `VOUCHER:${promotion.firstTargetId + BigInt(index * ONE_IN)}`
  const keys = Array.from({ length: forbidden }, (_, index) => keyOf(index))
  await system.control({ forbid: keys.length === 0 ? null : { keys } })
  await system.publish(promotion)
  await system.until('its rows', async () => (await system.rows(promotion)) === messages)
  await system.run(promotion)
  const startedAt = performance.now()
  const count = () => system.promotions.countByStatus(promotion)
  await system.until('the others SUCCESS', async () => (await count()).SUCCESS === messages - forbidden)
  const took = seconds(startedAt)
  say(`${messages - forbidden} gifts beside ${forbidden} forbidden ones: ${took} s`)
  await system.until('all ended', async () => (await count()).UNKNOWN === forbidden)
  return { id: promotion.id, seconds: took }
}
