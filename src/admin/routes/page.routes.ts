import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
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
import { finderOf, type Sampler } from '#admin/snapshot/sampler.ts'
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
}

const MAX_FAILURES_SHOWN = 20
const schema = { hide: true }

const sendPage = (reply: FastifyReply, page: string) =>
  reply.type('text/html; charset=utf-8').serializer(String).send(page)

/** A key as the Money API knows it. */
const GIFT_KEY = new RegExp(`^(${PROMOTION_TYPES.join('|')}):(\\d+)$`)

/** A form sends empty fields too. */
const filledOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(query => Object.fromEntries(Object.entries(query as object).filter(([, value]) => value !== '')), schema)

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

function addPromotions(app: App, { kysely, sampler, mask }: PageRoutesDeps): void {
  const found = finderOf(sampler)
  app.get('/', { schema: { ...schema, querystring: filledOf(progressQuery) } }, async (request, reply) => {
    // A key leads to its gift.
    const [, type, targetId = ''] = GIFT_KEY.exec(request.query.q ?? '') ?? []
    if (isExactId(targetId)) return reply.redirect(`/gifts/${type}/${targetId}`, 303)
    return sendPage(reply, progressPage(await sampler.fresh(), request.query, contextOf(request, reply)))
  })
  app.get('/promotions/:id', { schema: { ...schema, params: promotionParams } }, async (request, reply) => {
    const promotion = await found(request.params.id)
    const snapshot = await sampler.fresh()
    const query = { statuses: ['UNKNOWN', 'FAILED'], offset: 0, limit: MAX_FAILURES_SHOWN } as const
    // With PostgreSQL away the page keeps what was read before, and says so.
    const isAway = snapshot.around.databaseMs === undefined
    const [rows, skipped] = isAway
      ? []
      : await Promise.all([listGiftsByPlace(kysely, promotion, query), countSkipped(kysely, promotion.id)])
    const failures = rows?.map(gift => mask.gift(gift, request.identity))
    const notTaken = skipped && Object.values(skipped).reduce((sum, count) => sum + count, 0)
    const alive = snapshot.around.instances ?? []
    const instances = alive.map(instance => toPromotionInstance(instance, promotion.id))
    return sendPage(
      reply,
      promotionPage({ promotion, snapshot, instances, failures, skipped: notTaken }, contextOf(request, reply)),
    )
  })
}

function addGifts(app: App, { kysely, sampler, gifts, mask }: PageRoutesDeps): void {
  const found = finderOf(sampler)
  app.get(
    '/promotions/:id/gifts',
    { schema: { ...schema, params: promotionParams, querystring: filledOf(giftQuery) } },
    async (request, reply) => {
      const promotion = await found(request.params.id)
      const { cursor = '0', limit, ...filters } = request.query
      const { gifts: rows, nextCursor } = await listGifts(kysely, promotion, { ...filters, afterId: cursor, limit })
      const page = { gifts: rows.map(gift => mask.gift(gift, request.identity)), nextCursor }
      return sendPage(reply, giftsPage({ promotion, page, filters }, contextOf(request, reply)))
    },
  )
  app.get(
    '/gifts',
    { schema: { ...schema, querystring: z.object({ type: promotionType, targetId: id }) } },
    ({ query: { type, targetId } }, reply) => reply.redirect(`/gifts/${type}/${targetId}`, 303),
  )
  app.get('/gifts/:type/:targetId', { schema: { ...schema, params: giftParams } }, async (request, reply) => {
    const { type, targetId } = request.params
    const { gift, ...look } = await gifts.look(type, targetId)
    return sendPage(reply, giftPage({ ...look, gift: mask.gift(gift, request.identity) }, contextOf(request, reply)))
  })
}

function addActivity(app: App, { kysely, activityLog }: PageRoutesDeps): void {
  app.get('/audit', { schema: { ...schema, querystring: pageQuery } }, async (request, reply) => {
    const { cursor, limit } = request.query
    const changes = await activityLog.list({ beforeId: cursor, limit })
    const nextCursor = changes.length === limit ? (changes.at(-1)?.id ?? null) : null
    const names = await promotionNames(
      kysely,
      changes.flatMap(change => promotionIdOf(change) ?? []),
    )
    return sendPage(reply, auditPage({ changes, names, nextCursor }, contextOf(request, reply)))
  })
}
