import { createHmac, timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { refusal } from '#admin/problem.ts'
import type { PromotionRepository } from '#database/promotions/promotions.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { PromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import { parseMessage } from '#promotion/intake/gift-message.ts'
import { type PromotionStartedMessage, promotionStartedMessage } from '#queues/started.message.ts'

export interface HookDeps {
  promotions: PromotionRepository
  events: EventProviderService
  topic: string
  hooks: PromotionStartedHooks
  /** `ADMIN_HOOK_SECRET`; without one no signature is good. */
  secret: string | undefined
}

const MAX_CLOCK_DIFFERENCE_S = 300

/** `POST /hooks/promotion-started`: for a user, or for who signs with `ADMIN_HOOK_SECRET`. */
export function hookRoutes(deps: HookDeps): FastifyPluginAsync {
  return async app => {
    // The signature is over the bytes as they came, and ids must stay exact.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    app.post(
      '/hooks/promotion-started',
      {
        config: { takesSignature: true, change: 'hook.promotion-started' },
        preValidation: async request => {
          if (request.identity !== undefined) return
          if (!isSigned(request, deps.secret, Date.now())) {
            throw refusal('UNAUTHENTICATED', 'the signature is wrong, or its timestamp is more than 300 s away')
          }
          request.identity = { name: 'hook', role: 'operator' }
          request.signedInBy = 'signature'
        },
      },
      async (request, reply) => {
        const parsed = parseMessage(promotionStartedMessage, String(request.body ?? ''))
        if (!parsed.ok) throw refusal('UNPROCESSABLE', parsed.reason)
        const promotion = await startByHook(parsed.message, deps)
        return reply.code(202).send(promotion)
      },
    )
  }
}

/** Row first, then the event, then our own listeners. Doing it again is harmless, and how a 503 is made good. */
async function startByHook(message: PromotionStartedMessage, { promotions, events, topic, hooks }: HookDeps) {
  const { promotionId, totalCount, type } = message
  const known = await promotions.find(promotionId)
  if (known === undefined) throw refusal('PROMOTION_NOT_FOUND', `promotion ${promotionId} does not exist`)
  if (known.type !== type) throw refusal('UNPROCESSABLE', `promotion ${promotionId} is of type ${known.type}`)
  if (known.status !== 'READY' && known.status !== 'IN_PROGRESS') {
    throw refusal('PROMOTION_WRONG_STATE', `promotion ${promotionId} is ${known.status}`)
  }
  const started = await promotions.start(promotionId, totalCount)
  if (started?.promotion.status !== 'IN_PROGRESS') {
    throw refusal('PROMOTION_WRONG_STATE', `promotion ${promotionId} is ${started?.promotion.status ?? 'gone'}`)
  }
  const event = { promotionId, totalCount: started.promotion.totalCount, type }
  await events.publish({ topic, key: promotionId, value: JSON.stringify(event) })
  hooks.notify(event)
  return { promotionId, status: started.promotion.status, changed: started.changed }
}

/** `x-promostream-signature: sha256=` + hex HMAC-SHA256 of `timestamp.body`; the timestamp in seconds since the epoch. */
function isSigned({ headers, body }: FastifyRequest, secret: string | undefined, nowMs: number): boolean {
  const timestamp = headers['x-promostream-timestamp']
  const signature = headers['x-promostream-signature']
  if (secret === undefined || typeof timestamp !== 'string' || typeof signature !== 'string') return false
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowMs / 1000 - Number(timestamp)) > MAX_CLOCK_DIFFERENCE_S) return false
  const expected = Buffer.from(
    `sha256=${createHmac('sha256', secret)
      .update(`${timestamp}.`)
      .update(String(body ?? ''))
      .digest('hex')}`,
  )
  const given = Buffer.from(signature)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
