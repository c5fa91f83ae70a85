import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { MAX_SELECTED, promotionParams as params, wholeNumber } from '#admin/api-schemas.ts'
import type { InvalidMessages } from '#admin/invalid-messages.ts'
import { contextOf } from '#admin/pages/layout.ts'
import { rejectedPage } from '#admin/pages/rejected.page.ts'
import { refusal } from '#admin/problem.ts'
import { sendPage } from '#admin/send-page.ts'
import type { KeptReads } from '#admin/snapshot/kept-reads.ts'
import { finderOf, type PromotionView, type Sampler } from '#admin/snapshot/sampler.ts'
import { countSkipped } from '#database/gifts/gift-sums.ts'
import { findSkipped, listSkipped } from '#database/gifts/skipped-pages.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import { parseGift } from '#promotion/intake/gift-message.ts'
import { errorLine } from '#runtime/errors.ts'

export interface RejectedRoutesDeps {
  kysely: Kysely<unknown>
  sampler: Pick<Sampler, 'find'>
  invalid: InvalidMessages
  kept: KeptReads
  events: Pick<EventProviderService, 'publish'>
}

const PAGE_SIZE = 50
const MAX_PAGE = 200
const TAKES_GIFTS = new Set<PromotionView['status']>(['READY', 'IN_PROGRESS', 'PAUSED'])

const tags = ['promotions']
const pageQuery = z.object({ page: z.coerce.number().int().min(1).max(MAX_PAGE).default(1) })
const place = z.object({
  topic: z.string().max(249),
  partition: z.number(),
  offset: z.string().regex(/^\d{1,18}$/, 'must be an offset'),
})
/** Numbers come as the exact JSON parser hands them on. */
const asked = place.extend({ partition: wholeNumber(0, 1_000_000) })
const replayBody = z.object({ messages: z.array(asked).min(1).max(MAX_SELECTED) })
const skippedSchema = z.object({
  counts: z.record(z.string(), z.number()),
  messages: z.array(place.extend({ targetId: z.string(), reason: z.string(), message: z.string(), at: z.string() })),
})

/** What became no gift of a promotion, and why; what it did not take may be published again while it takes gifts. */
export function rejectedRoutes(deps: RejectedRoutesDeps): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    addPage(app, deps)
    addApi(app, deps)
  }
  return routes as FastifyPluginAsync
}

async function look({ kysely }: RejectedRoutesDeps, promotionId: string, page: number) {
  const range = { offset: (page - 1) * PAGE_SIZE, limit: PAGE_SIZE }
  const [counts, skipped] = await Promise.all([
    countSkipped(kysely, promotionId),
    listSkipped(kysely, promotionId, range),
  ])
  return { counts, skipped }
}

type App = Parameters<FastifyPluginAsyncZod>[0]

function addPage(app: App, deps: RejectedRoutesDeps): void {
  app.get(
    '/promotions/:id/rejected',
    { schema: { hide: true, params, querystring: pageQuery } },
    async (request, reply) => {
      const { page } = request.query
      const reads = deps.kept(request)
      const [{ promotion, counts, skipped }, messages] = await Promise.all([
        reads.read('database', async () => {
          const promotion = await finderOf(deps.sampler)(request.params.id)
          return { promotion, ...(await look(deps, promotion.id, page)) }
        }),
        reads
          .read('kafka', () => deps.invalid.list())
          .then(
            all => all.filter(({ promotionId }) => promotionId === request.params.id),
            (error: unknown) => errorLine(error),
          ),
      ])
      const { id, name, type, status } = promotion
      const context = contextOf(request, reply, reads.stale)
      const title = name === '' ? context.texts.promotion.promotion(id) : name
      const nextPage = skipped.length === PAGE_SIZE && page < MAX_PAGE ? page + 1 : null
      const canReplay = TAKES_GIFTS.has(status)
      const view = { promotion: { id, title, type }, counts, skipped, nextPage, invalid: messages, canReplay }
      return sendPage(reply, rejectedPage(view, context))
    },
  )
}

function addApi(app: App, deps: RejectedRoutesDeps): void {
  const summary = 'messages that it did not take, the newest first, and how many by reason'
  app.get(
    '/api/promotions/:id/rejected',
    { schema: { tags, summary, params, querystring: pageQuery, response: { 200: skippedSchema } } },
    async ({ params: { id }, query: { page } }) => {
      await finderOf(deps.sampler)(id)
      const { counts, skipped } = await look(deps, id, page)
      return { counts, messages: skipped }
    },
  )
  app.post(
    '/api/promotions/:id/rejected/replay',
    {
      config: { change: 'rejected.replay' },
      schema: {
        tags,
        summary: 'publish again some messages that it did not take; refused while it takes none',
        params,
        body: replayBody,
        response: { 202: z.object({ published: z.number() }) },
      },
    },
    async ({ params: { id }, body: { messages } }, reply) => {
      const { status, type } = await finderOf(deps.sampler)(id)
      if (!TAKES_GIFTS.has(status))
        throw refusal('PROMOTION_WRONG_STATE', `promotion ${id} is ${status} and takes no gifts`)
      const skipped = await findSkipped(deps.kysely, id, messages)
      await Promise.all(
        skipped.map(({ topic, message }) => {
          const parsed = parseGift(type, message)
          return deps.events.publish({ topic, key: parsed.ok ? parsed.message.partitionKey : id, value: message })
        }),
      )
      return reply.code(202).send({ published: skipped.length })
    },
  )
}
