import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { verdictText } from '#admin/pages/fields.ts'
import { estimate } from '#admin/snapshot/rate.ts'
import { type Verdict, verdictOf } from '#admin/snapshot/verdict.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { readProgress } from '#database/promotions/progress.ts'
import type { Promotion } from '#database/promotions/promotions.ts'

/** For so long it is watched how fast they go, in ms: the admin, which sees them all the time, takes ten seconds. */
const WATCH_MS = 3000

export interface TimedVerdict {
  verdict: Verdict | null
  /** As the promotion's page has it. */
  inTime: string
}

/** Will those that run be done by their deadlines, as things go now? By their ids; takes a moment where there are any. */
export async function verdictsOf(
  kysely: Kysely<unknown>,
  promotions: readonly Promotion[],
): Promise<ReadonlyMap<string, TimedVerdict>> {
  const ids = promotions.flatMap(({ id, status, deadlineAt }) => (deadlineAt && status === 'IN_PROGRESS' ? [id] : []))
  if (ids.length === 0) return new Map()
  const before = await look(kysely, ids)
  await sleep(WATCH_MS)
  const now = await look(kysely, ids)
  const verdicts = new Map<string, TimedVerdict>()
  for (const [id, { view, sample }] of now) {
    const samples = [before.get(id)?.sample ?? sample, sample]
    const rate = estimate(samples, view.expected - view.done)
    const verdict = verdictOf(view, rate, Date.now())
    const inTime =
      verdict === null
        ? 'nothing moves'
        : verdictText({ verdict, perSecond: rate.perSecond, bottlenecks: [] }, TEXTS.en)
    verdicts.set(id, { verdict, inTime })
  }
  return verdicts
}

async function look(kysely: Kysely<unknown>, ids: readonly string[]) {
  const promotions = await readProgress(kysely, { ids })
  const atMs = performance.now()
  return new Map(
    promotions.map(({ gifts, totalCount, rows, ...promotion }) => {
      const done = gifts.SUCCESS + gifts.FAILED + gifts.UNKNOWN
      const view = { ...promotion, done, expected: Math.max(totalCount, rows) }
      return [promotion.id, { view, sample: { atMs, done } }]
    }),
  )
}
