import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** A link, a form or a source of a page of ours that begins at the root; values are escaped and hold no quotes. */
const ROOTED = /(\s(?:href|src|action)=")\/(?!\/)/g

/** What stands before our own paths in a browser: nothing, or `/promostream`. */
export type BasePath = string

/** A proxy may hand the prefix on or take it off: routes know nothing of it. */
export function withoutBasePath(basePath: BasePath): (request: IncomingMessage) => string {
  return ({ url = '/' }) => {
    if (basePath === '' || !url.startsWith(basePath)) return url
    const rest = url.slice(basePath.length)
    if (rest.startsWith('/')) return rest
    return rest === '' || rest.startsWith('?') ? `/${rest}` : url
  }
}

/** Every page and every redirect, whichever route they come from, lead to where the browser finds us. */
export function answerBelow(app: FastifyInstance, basePath: BasePath): void {
  if (basePath === '') return
  app.addHook('onSend', async (_request, reply, payload) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && location.startsWith('/')) reply.header('location', `${basePath}${location}`)
    const isPage = String(reply.getHeader('content-type')).startsWith('text/html')
    if (!isPage || typeof payload !== 'string') return payload
    reply.removeHeader('content-length')
    return payload.replace(ROOTED, `$1${basePath}/`)
  })
}
