import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { FastifyPluginAsync } from 'fastify'

const TYPES = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const

const require = createRequire(import.meta.url)
const own = (file: string) => new URL(`../assets/${file}`, import.meta.url)

const FILES: { path: string; file: URL | string; isOpen?: boolean }[] = [
  // The login page is for people who have no session yet: so is what it looks like.
  { path: '/login/style.css', file: own('style.css'), isOpen: true },
  { path: '/login/icon.svg', file: own('icon.svg'), isOpen: true },
  { path: '/assets/pages.js', file: own('pages.js') },
  { path: '/assets/page-tools.js', file: own('page-tools.js') },
  { path: '/assets/actions.js', file: own('actions.js') },
  { path: '/assets/board.js', file: own('board.js') },
  { path: '/assets/charts.js', file: own('charts.js') },
  { path: '/assets/uplot.js', file: require.resolve('uplot/dist/uPlot.esm.js') },
  { path: '/assets/uplot.css', file: require.resolve('uplot/dist/uPlot.min.css') },
]

/** What pages are made of, by name: no folder is served, so none can be walked. */
export const assetRoutes: FastifyPluginAsync = async app => {
  for (const { path, file, isOpen = false } of FILES) {
    const content = await readFile(file)
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
    const type = TYPES[path.split('.').at(-1) as keyof typeof TYPES]
    app.get(path, { config: { isOpen } }, (request, reply) => {
      reply.header('etag', etag).header('cache-control', 'private, no-cache')
      return request.headers['if-none-match'] === etag ? reply.code(304).send() : reply.type(type).send(content)
    })
  }
}
