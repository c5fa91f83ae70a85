import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
  concurrencyBody,
  giftQuery,
  giftSchema,
  historyQuery,
  historySchema,
  instanceSchema,
  newPromotion,
  pageQuery,
  promotionInstanceSchema,
  promotionParams,
  promotionSchema,
  sealSchema,
} from '#admin/api-schemas.ts'
import type { MemberMask } from '#admin/member-mask.ts'
import type { ApiOperations } from '#admin/operations.ts'
import { bottleneckInWords } from '#admin/snapshot/bottleneck.ts'
import { type Finder, finderOf, type PromotionView, type Sampler } from '#admin/snapshot/sampler.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { listGifts } from '#database/gifts/gift-pages.ts'
import { readMinutePoints } from '#database/promotions/minute-samples.ts'
import type { PromotionRepository } from '#database/promotions/promotions.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { sealOf, signedStatementOf } from '#promotion/seal/seal.ts'
import { fingerprintOf } from '#promotion/seal/statement.ts'

export interface PromotionRoutesDeps {
  kysely: Kysely<unknown>
  promotions: PromotionRepository
  sampler: Sampler
  operations: ApiOperations
  mask: MemberMask
}

const OPERATIONS = [
  ['start', 'start a READY promotion, or go on with a PAUSED or STOPPED one'],
  ['pause', 'make no more calls, on every instance, within five seconds'],
  ['resume', 'go on with a PAUSED promotion'],
  ['stop', 'make no more calls and empty its stream; rows are kept'],
  ['finish', 'complete it now; refused while gifts are PENDING or RETRYING'],
  ['rebuild', 'put every row that should be on the stream on it again'],
  ['retry-unknown', 'try its UNKNOWN gifts again, with the same keys'],
  ['reconcile-unknown', 'ask the Money API about its UNKNOWN gifts'],
] as const

const tags = ['promotions']

type App = Parameters<FastifyPluginAsyncZod>[0]

/** `/api/promotions`: where they stand, and everything an operator can do with them. */
export function promotionRoutes(deps: PromotionRoutesDeps): FastifyPluginAsync {
  const found = finderOf(deps.sampler)
  const routes: FastifyPluginAsyncZod = async app => {
    readPromotions(app, deps, found)
    readSeal(app, deps, found)
    readGifts(app, deps, found)
    readInstances(app, deps, found)
    changePromotions(app, deps, found)
  }
  return routes as FastifyPluginAsync
}

function readPromotions(app: App, { kysely, sampler }: PromotionRoutesDeps, found: Finder): void {
  const list = z.object({ promotions: z.array(promotionSchema), nextCursor: z.string().nullable() })
  app.get(
    '/api/promotions',
    { schema: { tags, summary: 'promotions by id', querystring: pageQuery, response: { 200: list } } },
    async ({ query: { cursor = '0', limit } }) => {
      const page = await sampler.page(cursor, limit)
      return { promotions: page.map(inWords), nextCursor: page.length === limit ? (page.at(-1)?.id ?? null) : null }
    },
  )
  app.get(
    '/api/promotions/:id',
    { schema: { tags, summary: 'one promotion', params: promotionParams, response: { 200: promotionSchema } } },
    async ({ params }) => inWords(await found(params.id)),
  )
  const summary =
    'its rate and latency: of the last ten minutes as this process saw them, or of its whole life by the minute'
  app.get(
    '/api/promotions/:id/history',
    { schema: { tags, summary, params: promotionParams, querystring: historyQuery, response: { 200: historySchema } } },
    async ({ params, query }) => {
      await found(params.id)
      return query.span === 'life' ? readMinutePoints(kysely, params.id) : [...sampler.history(params.id)]
    },
  )
}

function readSeal(app: App, { kysely }: PromotionRoutesDeps, found: Finder): void {
  const summary = 'its last seal: the statement as it was signed, with its root, and what checks it'
  app.get(
    '/api/promotions/:id/seal',
    { schema: { tags, summary, params: promotionParams, response: { 200: sealSchema } } },
    async ({ params }) => {
      const seal = signedStatementOf(await sealOf(kysely, (await found(params.id)).id))
      return { ...seal, fingerprint: fingerprintOf(seal.publicKey) }
    },
  )
}

function readGifts(app: App, { kysely, mask }: PromotionRoutesDeps, found: Finder): void {
  const gifts = z.object({ gifts: z.array(giftSchema), nextCursor: z.string().nullable() })
  const summary = 'its gifts; a page may be short, or empty, and yet not the last'
  app.get(
    '/api/promotions/:id/gifts',
    { schema: { tags, summary, params: promotionParams, querystring: giftQuery, response: { 200: gifts } } },
    async ({ params, identity, query: { cursor = '0', limit, ...filters } }) => {
      const page = await listGifts(kysely, await found(params.id), { ...filters, afterId: cursor, limit })
      return { ...page, gifts: page.gifts.map(gift => mask.gift(gift, identity)) }
    },
  )
}

function readInstances(app: App, { sampler }: PromotionRoutesDeps, found: Finder): void {
  const alive = async () => [...((await sampler.fresh()).around.instances ?? [])]
  const one = { tags: ['instances'], summary: 'the worker processes that are alive' }
  app.get('/api/instances', { schema: { ...one, response: { 200: z.array(instanceSchema) } } }, alive)
  const summary = 'which instances have answered its started event, and their consumers'
  const response = { 200: z.array(promotionInstanceSchema) }
  app.get(
    '/api/promotions/:id/instances',
    { schema: { tags: ['instances'], summary, params: promotionParams, response } },
    async ({ params }) => {
      await found(params.id)
      return (await alive()).map(instance => toPromotionInstance(instance, params.id))
    },
  )
}

/** What one instance has to do with one promotion. */
export function toPromotionInstance(instance: InstanceRecord, promotionId: string) {
  const consumers = instance.promotions.find(promotion => promotion.promotionId === promotionId)
  return { ...instance, startedEventAt: instance.startedEvents[promotionId] ?? null, consumers: consumers ?? null }
}

function changePromotions(app: App, deps: PromotionRoutesDeps, found: Finder): void {
  const { sampler, operations, promotions } = deps
  const changed = z.object({ promotion: promotionSchema.optional(), result: z.unknown() })
  app.post(
    '/api/promotions',
    {
      config: { change: 'promotion.create' },
      schema: { tags, summary: 'make a promotion, READY', body: newPromotion, response: { 201: promotionSchema } },
    },
    async ({ body }, reply) => {
      await promotions.create(body)
      await sampler.renewed(body.id)
      return reply.code(201).send(inWords(await found(body.id)))
    },
  )
  for (const [name, summary] of OPERATIONS) {
    app.post(
      `/api/promotions/:id/${name}`,
      {
        config: { change: `promotion.${name}` },
        schema: { tags, summary, params: promotionParams, response: { 200: changed } },
      },
      async ({ params }) => {
        const { promotion: _, ...result } = await operations[name](params.id)
        return { promotion: changedInWords(await sampler.renewed(params.id)), result }
      },
    )
  }
  app.put(
    '/api/promotions/:id/concurrency',
    {
      config: { change: 'promotion.concurrency' },
      schema: {
        tags,
        summary: 'its slots in each worker process',
        params: promotionParams,
        body: concurrencyBody,
        response: { 200: changed },
      },
    },
    async ({ params, body }) => {
      if (!(await promotions.setConsumers(params.id, body.consumersPerInstance))) await found(params.id)
      return { promotion: changedInWords(await sampler.renewed(params.id)), result: null }
    },
  )
}

/** Programs are answered in English. */
function inWords(view: PromotionView) {
  return { ...view, bottlenecks: view.bottlenecks.map(bottleneck => bottleneckInWords(bottleneck, TEXTS.en)) }
}

function changedInWords(view: PromotionView | undefined) {
  return view === undefined ? undefined : inWords(view)
}
