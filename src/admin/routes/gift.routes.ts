import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import {
  attemptsSchema,
  giftParams,
  giftSchema,
  promotionParams,
  selectedGifts,
  timelineSchema,
} from '#admin/api-schemas.ts'
import { timelineInWords } from '#admin/gift-timeline.ts'
import type { GiftService } from '#admin/gifts.ts'
import type { MemberMask } from '#admin/member-mask.ts'
import { TEXTS } from '#admin/texts/texts.ts'

const tags = ['gifts']

/** `/api/gifts`: one gift, its way, and another try of an UNKNOWN one. */
export function giftRoutes(gifts: GiftService, mask: MemberMask): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    app.get(
      '/api/gifts/:type/:targetId',
      {
        schema: {
          tags,
          summary: 'a gift and its timeline, as far as it is recorded',
          params: giftParams,
          response: { 200: z.object({ gift: giftSchema, attempts: attemptsSchema, timeline: timelineSchema }) },
        },
      },
      async ({ params: { type, targetId }, identity }) => {
        const { gift, attempts, timeline } = await gifts.look(type, targetId)
        return { gift: mask.gift(gift, identity), attempts, timeline: timelineInWords(timeline, TEXTS.en) }
      },
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
    app.post(
      '/api/promotions/:id/gifts/retry',
      {
        config: { change: 'gifts.retry' },
        schema: {
          tags,
          summary: 'try some UNKNOWN gifts again with the same keys; none is tried when one is SUCCESS or FAILED',
          params: promotionParams,
          body: selectedGifts,
          response: { 202: z.object({ retried: z.number() }) },
        },
      },
      async ({ params, body }, reply) =>
        reply.code(202).send({ retried: await gifts.retrySelected(params.id, body.targetIds) }),
    )
  }
  return routes as FastifyPluginAsync
}
