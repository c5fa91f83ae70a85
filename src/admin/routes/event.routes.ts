import { PassThrough } from 'node:stream'
import type { FastifyPluginAsync } from 'fastify'
import { id } from '#admin/api-schemas.ts'
import { toFields } from '#admin/pages/fields.ts'
import { moneyFields } from '#admin/pages/money-card.ts'
import { workersText } from '#admin/pages/progress.page.ts'
import { consumersText } from '#admin/pages/promotion.page.ts'
import { sharedBottlenecks } from '#admin/pages/promotion-parts.ts'
import { refusal } from '#admin/problem.ts'
import type { Sampler, Snapshot } from '#admin/snapshot/sampler.ts'
import { staleOf } from '#admin/snapshot/stale.ts'
import { languageOf } from '#admin/texts/language.ts'
import { TEXTS, type Texts } from '#admin/texts/texts.ts'
import { toPromotionInstance } from './promotion.routes.ts'

/** A stream ends after this long; the browser opens it again, and is asked again who it is. */
const MAX_LIFE_MS = 300_000
const MAX_WATCHERS = 200
/** A watcher that does not read is dropped, not waited for. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024

/** `/api/events`: what the pages show, once a second, as server-sent events; `?promotion=` for one of them alone. */
export function eventRoutes(sampler: Sampler): FastifyPluginAsync {
  let watchers = 0
  const textOf = createEventTexts(sampler)
  return async app => {
    app.get('/api/events', { schema: { hide: true }, handlerTimeout: 2 * MAX_LIFE_MS }, async (request, reply) => {
      const { promotion } = request.query as { promotion?: unknown }
      const promotionId = promotion === undefined ? undefined : id.safeParse(promotion)
      if (promotionId?.success === false) throw refusal('UNPROCESSABLE', 'promotion must be an id')
      if (watchers >= MAX_WATCHERS) throw refusal('TOO_MANY_WATCHERS', 'too many pages are open')
      const texts = TEXTS[languageOf(request)]
      const stream = new PassThrough()
      const send = (snapshot: Snapshot) => {
        if (stream.readableLength > MAX_UNREAD_BYTES) return stream.destroy()
        return stream.write(textOf(snapshot, texts, promotionId?.data))
      }
      watchers += 1
      const unsubscribe = sampler.subscribe(send)
      const timer = setTimeout(() => stream.end(), MAX_LIFE_MS)
      stream.once('close', () => {
        clearTimeout(timer)
        unsubscribe()
        watchers -= 1
      })
      request.raw.once('close', () => stream.destroy())
      stream.write('retry: 2000\n\n')
      send(await sampler.fresh())
      return reply.type('text/event-stream; charset=utf-8').header('x-accel-buffering', 'no').send(stream)
    })
  }
}

/** An event as it is sent: built once a snapshot and language, whoever watches. */
function createEventTexts(sampler: Sampler) {
  const events = new WeakMap<Snapshot, Map<string, string>>()
  return (snapshot: Snapshot, texts: Texts, promotionId: string | undefined): string => {
    const known = events.get(snapshot) ?? new Map<string, string>()
    events.set(snapshot, known)
    const key = `${texts.language} ${promotionId ?? ''}`
    const event = known.get(key) ?? `data: ${JSON.stringify(eventOf(snapshot, sampler, texts, promotionId))}\n\n`
    known.set(key, event)
    return event
  }
}

function eventOf(snapshot: Snapshot, sampler: Sampler, texts: Texts, promotionId: string | undefined) {
  const { atMs, promotions, around, workers = [] } = snapshot
  const event = {
    atMs,
    stale: staleOf(snapshot).map(({ server, asOf }) => ({ text: texts.frame.stale[server], asOf })),
    workers: workersText(around.instances?.length ?? null, texts),
    money: moneyFields(workers, texts, promotionId),
  }
  if (promotionId === undefined) {
    const fields = promotions.map(view => toFields(view, texts))
    return { ...event, installation: sharedBottlenecks(promotions, texts), promotions: fields }
  }
  const promotion = promotions.find(({ id }) => id === promotionId)
  const instances = workers.map(instance => {
    const { consumers } = toPromotionInstance(instance, promotionId)
    return { instance: instance.instance, ...consumersText(consumers, texts) }
  })
  const point = sampler.history(promotionId).at(-1) ?? null
  return { ...event, promotions: promotion === undefined ? [] : [toFields(promotion, texts)], instances, point }
}
