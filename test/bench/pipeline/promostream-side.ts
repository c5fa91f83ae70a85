import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { startChild } from '#local/demo/children.ts'
import type { Campaign } from './gifts.ts'
import { type Setting, topicsOfRun } from './setting.ts'
import type { RunningSide } from './side.ts'

const TABLES = ['campaign_promotion_voucher_result', 'campaign_promotion_point_result'] as const
let lastPromotionId = 0

/** One listener and some workers as they are deployed, and promotions in progress, half vouchers, half points. */
export async function startPromostream(setting: Setting, messages: number, promotions: number, workers: number) {
  const topics = await topicsOfRun(setting, [
    'started',
    'voucher',
    'point',
    'voucher-retry',
    'point-retry',
    'invalid',
    'completed',
  ])
  const env = { ...setting.env, KAFKA_GROUP_ID: `${topics.started}-group`, LOG_LEVEL: 'warn' }
  for (const [name, topic] of Object.entries(topics))
    Object.assign(env, { [`KAFKA_TOPIC_${name.toUpperCase().replace('-', '_')}`]: topic })
  const repository = createPromotionRepository(setting.kysely)
  const campaigns: Campaign[] = []
  for (let index = 0; index < promotions; index++) {
    lastPromotionId += 1
    const type = index % 2 === 0 ? 'VOUCHER' : 'POINT'
    const gifts = Math.floor(((index + 1) * messages) / promotions) - Math.floor((index * messages) / promotions)
    const promotionId = String(lastPromotionId)
    await repository.create({ id: promotionId, type, name: 'bench', totalCount: gifts })
    await sql`update campaign_promotion set status = 'IN_PROGRESS', started_at = now() where id = ${promotionId}::bigint`.execute(
      setting.kysely,
    )
    const [topic, targetField] =
      type === 'VOUCHER' ? [topics.voucher, 'voucherTargetId' as const] : [topics.point, 'pointTargetId' as const]
    campaigns.push({ promotionId, topic: topic ?? '', targetField, gifts })
  }
  const logFolder = mkdtempSync(join(tmpdir(), 'promostream-bench-'))
  const names = ['listener', ...Array.from({ length: workers }, (_, index) => `worker-${index + 1}`)]
  const children = await Promise.all(
    names.map(name =>
      startChild({ kind: name === 'listener' ? 'listener' : 'worker', name, env, logFolder, keep: false }),
    ),
  )
  const ids = campaigns.map(({ promotionId }) => promotionId)
  const side: RunningSide = {
    pids: { listener: children.slice(0, 1).map(({ pid }) => pid), workers: children.slice(1).map(({ pid }) => pid) },
    async done() {
      const { rows } = await sql<{ done: number }>`
        select coalesce(sum(success_count + failed_count), 0)::float8 as done from campaign_promotion_summary
        where promotion_id = any (${ids}::bigint[])`.execute(setting.kysely)
      return rows[0]?.done ?? 0
    },
    async countPaid() {
      let paid = 0
      for (const table of TABLES) {
        const { rows } = await sql<{ paid: number }>`
          select count(*)::float8 as paid from ${sql.table(table)}
          where promotion_id = any (${ids}::bigint[]) and process_status = 'SUCCESS'`.execute(setting.kysely)
        paid += rows[0]?.paid ?? 0
      }
      return paid
    },
    stop: async () => void (await Promise.all(children.map(child => child.stop()))),
  }
  return { side, campaigns }
}

/** Share of the updates of result rows that touched no index (HOT), since the server started. */
export async function hotShareOf(setting: Setting): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(setting.kysely).catch(() => undefined)
  const { rows } = await sql<{ hot: number; all: number }>`
    select sum(n_tup_hot_upd)::float8 as hot, sum(n_tup_upd)::float8 as all from pg_stat_user_tables
    where relname = any (${[...TABLES]}::text[])`.execute(setting.kysely)
  return rows[0] === undefined || rows[0].all === 0 ? 1 : rows[0].hot / rows[0].all
}
