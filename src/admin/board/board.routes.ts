import { createBullBoard } from '@bull-board/api'
import type { Queue } from 'bullmq'
import type { FastifyPluginAsync } from 'fastify'
import { id } from '#admin/api-schemas.ts'
import { isLocalName } from '#admin/security/origin.ts'
import { languageOf } from '#admin/texts/language.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { RetryJobData } from '#queues/retry.queue.ts'
import type { Logger } from '#runtime/logger.ts'
import { inLanguage, withoutInline } from './page.ts'
import { RetryQueueAdapter } from './retry-queue-adapter.ts'
import { BoardServerAdapter, ROLE_HEADER } from './server-adapter.ts'
import { PromotionStreamAdapter, type StreamAdapterDeps } from './stream-adapter.ts'

export interface BoardDeps extends StreamAdapterDeps {
  retryQueue: Queue<RetryJobData>
  logger: Logger
}

const BASE_PATH = '/board'

/** Bull-Board at `/board`: the retry queue, and every promotion's stream as a queue of its own. */
export function boardRoutes(deps: BoardDeps): FastifyPluginAsync {
  const server = new BoardServerAdapter(deps.logger)
  server.setBasePath(BASE_PATH)
  const board = createBullBoard({
    // A BullMQ queue comes first: the board asks the first one about its Redis.
    queues: [new RetryQueueAdapter(deps.retryQueue, deps)],
    serverAdapter: server,
    options: {
      uiConfig: {
        boardTitle: 'promostream',
        favIcon: { default: '/login/icon.svg', alternative: '/login/icon.svg' },
        miscLinks: [{ text: 'Progress', url: `${deps.basePath}/` }],
        hideDocsLink: true,
        showMetrics: false,
      },
    },
  })
  const queues = createQueueList(board, deps)
  return async app => {
    await app.register(
      async scope => {
        // The board's own bodies hold no ids, but numbers.
        scope.removeContentTypeParser('application/json')
        scope.addContentTypeParser(
          'application/json',
          { parseAs: 'string' },
          scope.getDefaultJsonParser('error', 'error'),
        )
        scope.addHook('onRoute', route => {
          route.config = { ...route.config, change: `board.${route.url.split('/').at(-1)}` }
        })
        scope.addHook('preHandler', async (request, reply) => {
          request.headers[ROLE_HEADER] = request.identity?.role
          await queues.follow((request.params as { queueName?: string }).queueName)
          if (!request.url.includes('/api/') && request.signedInBy === 'session') {
            // Its script sends this cookie's value back as a header with each write.
            const secure = !isLocalName(request.hostname)
            reply.setCookie('XSRF-TOKEN', reply.generateCsrf(), {
              path: `${deps.basePath}${BASE_PATH}`,
              sameSite: 'strict',
              secure,
            })
          }
        })
        scope.addHook('onSend', async (request, reply, payload) =>
          typeof payload === 'string' && String(reply.getHeader('content-type')).includes('text/html')
            ? inLanguage(withoutInline(payload), TEXTS[languageOf(request)], deps.basePath)
            : payload,
        )
        await scope.register(server.registerPlugin() as FastifyPluginAsync)
      },
      { prefix: BASE_PATH },
    )
  }
}

/** Keeps the board's queues to the promotions that are watched, and adds one that is asked for by name. */
function createQueueList(board: ReturnType<typeof createBullBoard>, deps: BoardDeps) {
  const known = new Map<string, { adapter: PromotionStreamAdapter; name: string }>()
  const add = (promotion: Pick<Promotion, 'id' | 'type' | 'name'>) => {
    if (known.get(promotion.id)?.name === promotion.name) return
    const adapter = new PromotionStreamAdapter(promotion, deps)
    known.set(promotion.id, { adapter, name: promotion.name })
    board.addQueue(adapter)
  }
  return {
    follow: async (queueName: string | undefined) => {
      const { promotions } = await deps.sampler.fresh()
      for (const promotion of promotions) add(promotion)
      const asked = /campaign-promotion-(\d+):[a-z-]+:stream$/.exec(queueName ?? '')?.[1]
      const watched = new Set(promotions.map(promotion => promotion.id))
      for (const [promotionId, { adapter }] of known) {
        if (watched.has(promotionId) || promotionId === asked) continue
        known.delete(promotionId)
        board.removeQueue(adapter)
      }
      if (asked === undefined || known.has(asked) || !id.safeParse(asked).success) return
      const other = await deps.sampler.find(asked)
      if (other !== undefined) add(other)
    },
  }
}
