import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { giftParams, giftSchema, timelineSchema } from '#admin/api-schemas.ts'
import type { GiftService } from '#admin/gifts.ts'

const tags = ['gifts']

/** `/api/gifts`: one gift, its way, and another try of an UNKNOWN one. */
export function giftRoutes(gifts: GiftService): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    app.get(
      '/api/gifts/:type/:targetId',
      {
        schema: {
          tags,
          summary: 'a gift and its timeline, as far as it is recorded',
          params: giftParams,
          response: { 200: z.object({ gift: giftSchema, timeline: timelineSchema }) },
        },
      },
      ({ params: { type, targetId } }) => gifts.look(type, targetId),
    )
    app.post(
      '/api/gifts/:type/:targetId/retry',
      {
        config: { change: 'gift.retry' },
        schema: {
          tags,
          summary: 'try an UNKNOWN gift again with the same key; SUCCESS and FAILED refuse',
          params: giftParams,
          response: { 202: z.object({ gift: giftSchema }) },
        },
      },
      async ({ params: { type, targetId } }, reply) => {
        await gifts.retry(type, targetId)
        const { gift } = await gifts.look(type, targetId)
        return reply.code(202).send({ gift })
      },
    )
  }
  return routes as FastifyPluginAsync
}
