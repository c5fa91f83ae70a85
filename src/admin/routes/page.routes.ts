import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
  filledOf,
  giftParams,
  giftQuery,
  id,
  pageQuery,
  progressQuery,
  promotionParams,
  promotionType,
} from '#admin/api-schemas.ts'
import type { GiftService } from '#admin/gifts.ts'
import type { MemberMask } from '#admin/member-mask.ts'
import { auditPage, promotionIdOf } from '#admin/pages/audit.page.ts'
import { giftPage } from '#admin/pages/gift.page.ts'
import { giftsPage } from '#admin/pages/gifts.page.ts'
import { contextOf } from '#admin/pages/layout.ts'
import { progressPage } from '#admin/pages/progress.page.ts'
import { promotionPage } from '#admin/pages/promotion.page.ts'
import { runbookPage } from '#admin/pages/runbook.page.ts'
import { sendPage } from '#admin/send-page.ts'
import type { KeptReads } from '#admin/snapshot/kept-reads.ts'
import { finderOf, type PromotionView, type Sampler } from '#admin/snapshot/sampler.ts'
import { staleOf } from '#admin/snapshot/stale.ts'
import type { ActivityLog } from '#database/activity-log.ts'
import { listGifts } from '#database/gifts/gift-pages.ts'
import { listGiftsByPlace } from '#database/gifts/gift-places.ts'
import { countSkipped } from '#database/gifts/gift-sums.ts'
import { promotionNames } from '#database/promotions/promotions.ts'
import { isExactId } from '#queues/exact-integer.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { toPromotionInstance } from './promotion.routes.ts'

export interface PageRoutesDeps {
  kysely: Kysely<unknown>
  sampler: Sampler
  gifts: GiftService
  activityLog: ActivityLog
  mask: MemberMask
  kept: KeptReads
}

const MAX_FAILURES_SHOWN = 20
const schema = { hide: true }

/** A key as the Money API knows it. */
const GIFT_KEY = new RegExp(`^(${PROMOTION_TYPES.join('|')}):(\\d+)$`)

/** What people look at: rendered here, kept live by a small script. */
export function pageRoutes(deps: PageRoutesDeps): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    addPromotions(app, deps)
    addGifts(app, deps)
    addActivity(app, deps)
    app.get('/runbook', { schema }, (request, reply) => sendPage(reply, runbookPage(contextOf(request, reply))))
  }
  return routes as FastifyPluginAsync
}

type App = Parameters<FastifyPluginAsyncZod>[0]

function addPromotions(app: App, { kysely, sampler, mask, kept }: PageRoutesDeps): void {
  const found = finderOf(sampler)
  app.get('/', { schema: { ...schema, querystring: filledOf(progressQuery) } }, async (request, reply) => {
    // A key leads to its gift.
    const [, type, targetId = ''] = GIFT_KEY.exec(request.query.q ?? '') ?? []
    if (isExactId(targetId)) return reply.redirect(`/gifts/${type}/${targetId}`, 303)
    const snapshot = await sampler.fresh()
    return sendPage(reply, progressPage(snapshot, request.query, contextOf(request, reply, staleOf(snapshot))))
  })
  app.get('/promotions/:id', { schema: { ...schema, params: promotionParams } }, async (request, reply) => {
    const { id } = request.params
    const reads = kept(request)
    const known = await reads.readIfKept('database', async () => {
      const promotion = await found(id)
      return { promotion, ...(await readFailures(kysely, promotion)) }
    })
    const snapshot = await sampler.fresh()
    const promotion = snapshot.promotions.find(view => view.id === id) ?? known?.promotion ?? (await found(id))
    const view = {
      ...{ promotion, snapshot, skipped: known?.skipped },
      failures: known?.failures.map(gift => mask.gift(gift, request.identity)),
      instances: snapshot.workers?.map(instance => toPromotionInstance(instance, id)),
    }
    return sendPage(reply, promotionPage(view, contextOf(request, reply, [...staleOf(snapshot), ...reads.stale])))
  })
}

/** The first few of its gifts that somebody should look at, and how many messages it did not take. */
async function readFailures(kysely: Kysely<unknown>, promotion: PromotionView) {
  const query = { statuses: ['UNKNOWN', 'FAILED'], offset: 0, limit: MAX_FAILURES_SHOWN } as const
  const [failures, skipped] = await Promise.all([
    listGiftsByPlace(kysely, promotion, query),
    countSkipped(kysely, promotion.id),
  ])
  return { failures, skipped: Object.values(skipped).reduce((sum, count) => sum + count, 0) }
}

function addGifts(app: App, { kysely, sampler, gifts, mask, kept }: PageRoutesDeps): void {
  const found = finderOf(sampler)
  app.get(
    '/promotions/:id/gifts',
    { schema: { ...schema, params: promotionParams, querystring: filledOf(giftQuery) } },
    async (request, reply) => {
      const { cursor = '0', limit, ...filters } = request.query
      const reads = kept(request)
      const { promotion, rows, nextCursor } = await reads.read('database', async () => {
        const promotion = await found(request.params.id)
        const { gifts: rows, nextCursor } = await listGifts(kysely, promotion, { ...filters, afterId: cursor, limit })
        return { promotion, rows, nextCursor }
      })
      const page = { gifts: rows.map(gift => mask.gift(gift, request.identity)), nextCursor }
      return sendPage(reply, giftsPage({ promotion, page, filters }, contextOf(request, reply, reads.stale)))
    },
  )
  app.get(
    '/gifts',
    { schema: { ...schema, querystring: z.object({ type: promotionType, targetId: id }) } },
    ({ query: { type, targetId } }, reply) => reply.redirect(`/gifts/${type}/${targetId}`, 303),
  )
  app.get('/gifts/:type/:targetId', { schema: { ...schema, params: giftParams } }, async (request, reply) => {
    const { type, targetId } = request.params
    const reads = kept(request)
    const { gift, ...look } = await reads.read('database', () => gifts.look(type, targetId))
    const view = { ...look, gift: mask.gift(gift, request.identity) }
    return sendPage(reply, giftPage(view, contextOf(request, reply, reads.stale)))
  })
}

function addActivity(app: App, { kysely, activityLog, kept }: PageRoutesDeps): void {
  app.get('/audit', { schema: { ...schema, querystring: pageQuery } }, async (request, reply) => {
    const { cursor, limit } = request.query
    const reads = kept(request)
    const view = await reads.read('database', async () => {
      const changes = await activityLog.list({ beforeId: cursor, limit })
      const nextCursor = changes.length === limit ? (changes.at(-1)?.id ?? null) : null
      const ids = changes.flatMap(change => promotionIdOf(change) ?? [])
      return { changes, names: await promotionNames(kysely, ids), nextCursor }
    })
    return sendPage(reply, auditPage(view, contextOf(request, reply, reads.stale)))
  })
}
