import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { filledOf, promotionParams } from '#admin/api-schemas.ts'
import type { MemberMask } from '#admin/member-mask.ts'
import { deadLettersPage } from '#admin/pages/dead-letters.page.ts'
import { contextOf } from '#admin/pages/layout.ts'
import { refusal } from '#admin/problem.ts'
import { sendPage } from '#admin/send-page.ts'
import type { KeptReads } from '#admin/snapshot/kept-reads.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { PromotionDeadLetters, WhichDeadLetters } from '#promotion/dead-letters.ts'

export interface DeadLetterRoutesDeps {
  deadLetters: PromotionDeadLetters
  promotions: Pick<PromotionRepository, 'find'>
  mask: MemberMask
  kept: KeptReads
}

const tags = ['dead letters']
const letterId = z.string().regex(/^\d{1,20}-\d{1,20}$/, 'must be a dead letter’s id')
const reasonText = z.string().min(1).max(500)
const pageQuery = z.object({
  after: letterId.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  reason: reasonText.optional(),
})
/** Nothing is meant by saying nothing: `all` says it. */
const which = z
  .object({ ids: z.array(letterId).min(1).max(1000), reason: reasonText, all: z.literal(true) })
  .partial()
  .refine(said => Object.values(said).filter(value => value !== undefined).length === 1, 'one of ids, reason, all')
const letterSchema = z.object({
  id: z.string(),
  entryId: z.string(),
  at: z.string(),
  reason: z.string(),
  deliveries: z.number(),
  message: z.string(),
})
const replayed = z.object({
  replayed: z.array(z.object({ id: z.string(), entryId: z.string() })),
  missing: z.array(z.string()),
  uncertain: z.array(z.string()),
})
const discarded = z.object({ discarded: z.number(), missing: z.array(z.string()) })

const CHANGES = [
  ['replay', 'put their entries on the stream again; no row and no key changes', replayed],
  ['discard', 'delete them; no row and no key changes', discarded],
] as const

/** `/api/promotions/{id}/dead-letters`, and the page of them: what was given up, back on its stream or away. */
export function deadLetterRoutes({ deadLetters, promotions, mask, kept }: DeadLetterRoutesDeps): FastifyPluginAsync {
  const found = async (id: string): Promise<Promotion> => {
    const promotion = await promotions.find(id)
    if (promotion === undefined) throw refusal('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
    return promotion
  }
  const routes: FastifyPluginAsyncZod = async app => {
    const page = z.object({ deadLetters: z.array(letterSchema), nextAfter: z.string().nullable() })
    app.get(
      '/api/promotions/:id/dead-letters',
      {
        schema: {
          tags,
          summary: 'entries that were given up, the oldest first',
          params: promotionParams,
          querystring: pageQuery,
          response: { 200: page },
        },
      },
      async ({ params, query, identity }) => {
        const { items, next } = await deadLetters.page(await found(params.id), query)
        return { deadLetters: items.map(item => mask.message(item, identity)), nextAfter: next ?? null }
      },
    )
    for (const [name, summary, answer] of CHANGES) {
      const schema = { tags, summary, params: promotionParams, body: which, response: { 200: answer } }
      const config = { change: `dead-letters.${name}` }
      app.post(`/api/promotions/:id/dead-letters/${name}`, { config, schema }, ({ params, body }) =>
        deadLetters[name](params.id, body as WhichDeadLetters),
      )
    }
    const filled = filledOf(pageQuery)
    app.get(
      '/promotions/:id/dead-letters',
      { schema: { hide: true, params: promotionParams, querystring: filled } },
      async (request, reply) => {
        const reads = kept(request)
        const promotion = await reads.read('database', () => found(request.params.id))
        const { items: letters, next } = await reads.read('redis', () => deadLetters.page(promotion, request.query))
        const items = letters.map(letter => mask.message(letter, request.identity))
        const view = { promotion, letters: items, next, reason: request.query.reason }
        return sendPage(reply, deadLettersPage(view, contextOf(request, reply, reads.stale)))
      },
    )
    for (const [name] of CHANGES) {
      const body = z.object({ letter: letterId })
      app.post(
        `/promotions/:id/dead-letters/${name}`,
        { config: { change: `dead-letters.${name}` }, schema: { hide: true, params: promotionParams, body } },
        async ({ params, body: { letter } }, reply) => {
          await deadLetters[name](params.id, { ids: [letter] })
          return reply.redirect(`/promotions/${params.id}/dead-letters`, 303)
        },
      )
    }
  }
  return routes as FastifyPluginAsync
}
