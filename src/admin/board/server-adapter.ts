import { STATUS_CODES } from 'node:http'
import type { AppControllerRoute, BullBoardRequest, ControllerHandlerReturnType } from '@bull-board/api/dist/types.js'
import { FastifyAdapter } from '@bull-board/fastify'
import { toProblem } from '#admin/problem.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { PromotionStreamAdapter } from './stream-adapter.ts'

const RETRY_ALL = '/api/queues/:queueName/retry/:queueStatus'
const PAUSE_ALL = '/api/queues/pause'
const RESUME_ALL = '/api/queues/resume'

/** The only writes that a queue of money knows; each goes through the rules of every change of the admin. */
const ALLOWED_WRITES = new Set([
  PAUSE_ALL,
  RESUME_ALL,
  '/api/queues/:queueName/pause',
  '/api/queues/:queueName/resume',
  '/api/queues/:queueName/concurrency',
  '/api/queues/:queueName/:jobId/retry',
  RETRY_ALL,
])

/** A header of ours, from nobody else: what the asking user may do. */
export const ROLE_HEADER = 'x-promostream-role'

/** Bull-Board's Fastify adapter with the routes that money allows, and read-only for viewers. */
export class BoardServerAdapter extends FastifyAdapter {
  readonly #logger: Logger

  constructor(logger: Logger) {
    super()
    this.#logger = logger
  }

  override setApiRoutes(routes: AppControllerRoute[]): this {
    super.setApiRoutes(routes.map(guarded) as Parameters<FastifyAdapter['setApiRoutes']>[0])
    return this
  }

  override setErrorHandler(): this {
    return super.setErrorHandler(error => {
      const { status, detail } = toProblem(error)
      if (status >= 500) this.#logger.error({ err: error }, `board: ${errorLine(error)}`)
      return failure(status, detail)
    }) as this
  }
}

function guarded(route: AppControllerRoute): AppControllerRoute {
  const [method] = [route.method].flat()
  const [path = ''] = [route.route].flat()
  if (method === 'get') return path === '/api/queues' ? { ...route, handler: withoutRefused(route) } : route
  if (!ALLOWED_WRITES.has(path)) return { ...route, handler: refuse }
  if (path === RETRY_ALL) return { ...route, handler: retryAll }
  if (path === PAUSE_ALL) return { ...route, handler: forAll(queue => queue.pause()) }
  if (path === RESUME_ALL) return { ...route, handler: resumeAll }
  return route
}

/**
 * The board offers all of its actions or none: cleaning, removing, promoting and adding are refused, so that a promotion's
 * gifts are shown without any, and its own page has those that are meant. The retry queue can be paused here alone.
 */
function withoutRefused(route: AppControllerRoute): AppControllerRoute['handler'] {
  return async request => {
    const result = await route.handler(request)
    const isOperator = request?.headers[ROLE_HEADER] === 'operator'
    const body = result.body as { queues?: { name: string; readOnlyMode: boolean }[] }
    for (const queue of body.queues ?? []) queue.readOnlyMode ||= !isOperator || queue.name !== RETRY_QUEUE_NAME
    return result
  }
}

const refuse = (): ControllerHandlerReturnType<never> =>
  failure(405, 'this is refused: these jobs are gifts of money') as ControllerHandlerReturnType<never>

/**
 * Every promotion that can; one that is in another state stays in it, one that fails keeps none of the others from it. The
 * retry queue goes on: its jobs heed their promotion's status, and nobody who resumes a promotion would think of it.
 */
function forAll(change: (queue: PromotionStreamAdapter) => Promise<void>): AppControllerRoute['handler'] {
  return async request => {
    const promotions = [...(request?.queues.values() ?? [])].filter(queue => queue instanceof PromotionStreamAdapter)
    const results = await Promise.allSettled(promotions.map(change))
    const failed = results.find(
      ({ status, reason }: Settled) => status === 'rejected' && toProblem(reason).status !== 409,
    )
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
    return { status: 200, body: {} } as ControllerHandlerReturnType<never>
  }
}

/** Names those that were paused by themselves and stay so: as a refusal, because the board shows no other answer. */
const resumeAll: AppControllerRoute['handler'] = async request => {
  const leftOut: string[] = []
  const resume = async (queue: PromotionStreamAdapter) => {
    const reason = await queue.resumeUnlessByItself()
    if (reason !== undefined) leftOut.push(`promotion ${queue.promotionId} (${reason})`)
  }
  const result = await forAll(resume)(request)
  if (leftOut.length === 0) return result
  const message = `All others go on. Paused by itself, and left so until it is resumed alone: ${leftOut.join(', ')}`
  return failure(409, message) as ControllerHandlerReturnType<never>
}

type Settled = PromiseSettledResult<void> & { reason?: unknown }

/** All UNKNOWN gifts of one promotion; what failed for good is not retried. */
async function retryAll(request?: BullBoardRequest): Promise<ControllerHandlerReturnType<never>> {
  const queue = request?.queues.get(String(request.params.queueName))
  if (!(queue instanceof PromotionStreamAdapter) || request?.params.queueStatus !== 'failed') return refuse()
  const retried = await queue.retryUnknown()
  return { status: 200, body: { retried, skipped: 0 } } as unknown as ControllerHandlerReturnType<never>
}

function failure(status: number, message: string): ControllerHandlerReturnType {
  const error = { key: 'ERRORS.INTERNAL_SERVER_ERROR' }
  return { status, body: { error, message, title: STATUS_CODES[status] } } as unknown as ControllerHandlerReturnType
}
