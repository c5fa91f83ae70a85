import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { sendPage } from './send-page.ts'
import { languageOf } from './texts/language.ts'
import { TEXTS } from './texts/texts.ts'

/** RFC 9457. `code` is stable; `errors` says what is wrong with which field of a request. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
})

export type Problem = z.infer<typeof problemSchema>

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  PROMOTION_NOT_FOUND: 404,
  GIFT_NOT_FOUND: 404,
  REPORT_NOT_FOUND: 404,
  PROMOTION_NOT_SEALED: 404,
  PROMOTION_EXISTS: 409,
  PROMOTION_WRONG_STATE: 409,
  PROMOTION_COMPLETED: 409,
  PROMOTION_UNFINISHED: 409,
  GIFT_FINAL: 409,
  GIFT_WRONG_STATE: 409,
  UNPROCESSABLE: 422,
  BAD_JSON: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  FOREIGN_ORIGIN: 403,
  NOT_JSON: 415,
  NOT_ALLOWED: 405,
  TOO_MANY_LOGINS: 429,
  KAFKA_UNAVAILABLE: 503,
  KAFKA_UNREACHABLE: 503,
  OPERATION_UNAVAILABLE: 503,
  MONEY_UNAUTHORIZED: 503,
  MONEY_UNAVAILABLE: 503,
  TOO_MANY_WATCHERS: 503,
  NOT_STARTED: 503,
}

/** An error that is answered with its status, and shown as it is. */
export function refusal(code: string, message: string): CodedError {
  return new CodedError(code, message)
}

/** What a thrown thing is answered with. What we did not foresee says nothing of itself: the log has it. */
export function toProblem(thrown: unknown): Problem {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const errors = thrown.validation.map(({ instancePath, message }) => ({
      field: instancePath.slice(1).replaceAll('/', '.'),
      message: message ?? 'is wrong',
    }))
    const detail = errors.map(({ field, message }) => `${field} ${message}`.trim()).join('; ')
    return { ...problem(422, 'UNPROCESSABLE', detail), errors }
  }
  const { code, statusCode } = thrown as FastifyError
  const known = thrown instanceof CodedError ? STATUS_OF_CODE[thrown.code] : undefined
  if (known !== undefined) return problem(known, code, errorLine(thrown))
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return problem(statusCode, code ?? 'BAD_REQUEST', errorLine(thrown))
  }
  if (isConnectionLost(thrown)) return problem(503, 'UNAVAILABLE', 'a server that this needs does not answer')
  return problem(500, 'INTERNAL', 'something went wrong; the log says what')
}

export function problem(status: number, code: string, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code }
}

/** A server that was asked does not answer: trying again may help. */
export function isAway(thrown: unknown): boolean {
  return toProblem(thrown).status === 503
}

/** What PostgreSQL's client, Redis' and sockets say of a connection. */
const CONNECTION_LOST =
  /time(d )?out|Connection (is closed|terminated)|max retries per request|isn't (writeable|ready) and|startup nodes|slots cache/i

/** PostgreSQL's classes 08, 53, 57 and what sockets say: the database or Redis is away, nobody made a mistake. */
function isConnectionLost(thrown: unknown): boolean {
  if (thrown instanceof CodedError) return thrown.canRetry
  const code = String((thrown as { code?: unknown } | null)?.code ?? '')
  return /^(08|53|57)|^E[A-Z]+$/.test(code) || CONNECTION_LOST.test(errorLine(thrown))
}

function sendProblem(reply: FastifyReply, value: Problem): FastifyReply {
  return reply.code(value.status).type('application/problem+json').serializer(JSON.stringify).send(value)
}

/** A person with a browser is shown a page, also after sending a form; a program gets JSON. */
export function wantsPage({ method, headers }: FastifyRequest): boolean {
  const isForm = headers['content-type']?.startsWith('application/x-www-form') === true
  return (method === 'GET' || isForm) && (headers.accept ?? '').includes('text/html')
}

/** Programs are answered in English. */
function isForPerson(request: FastifyRequest): boolean {
  return wantsPage(request) || request.signedInBy === 'session'
}

/** In the reader's language; the code stays, and what only the thrown text knows stands behind it. */
function problemInWords(value: Problem, request: FastifyRequest): Problem {
  const { titles, byCode } = TEXTS[languageOf(request)].problem
  const text = byCode[value.code]
  return {
    ...value,
    title: titles[value.status] ?? value.title,
    detail: text === undefined ? value.detail : `${text} (${value.detail})`,
  }
}

/** Every error and every unknown path as a problem; `page` is how a browser sees it. */
export function answerProblems(
  app: FastifyInstance,
  page: (problem: Problem, request: FastifyRequest, reply: FastifyReply) => string,
): void {
  const answer = (request: FastifyRequest, reply: FastifyReply, value: Problem) => {
    const inWords = isForPerson(request) ? problemInWords(value, request) : value
    if (!wantsPage(request)) return sendProblem(reply, inWords)
    const body = page(inWords, request, reply)
    return sendPage(reply.code(value.status), body)
  }
  app.setErrorHandler((error, request, reply) => {
    const value = toProblem(error)
    if (value.status >= 500) request.log.error({ err: error, route: request.routeOptions.url }, errorLine(error))
    return answer(request, reply, value)
  })
  app.setNotFoundHandler((request, reply) =>
    answer(request, reply, problem(404, 'NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)),
  )
}
