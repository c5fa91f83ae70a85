import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

/** What may be answered, to POST and GET alike, instead of the Money API's own word: by a gateway, or by a mishap. */
export const INSTEAD_KINDS = [
  'redirect-302',
  'no-route-404',
  'status-405',
  'status-410',
  'status-413',
  'status-426',
  'status-429',
  'html-200',
  'no-key-200',
  'empty-204',
  'gzip',
  'cut',
  'too-large',
  'reset',
] as const

export type InsteadKind = (typeof INSTEAD_KINDS)[number]

export function isInsteadKind(value: unknown): value is InsteadKind {
  return INSTEAD_KINDS.includes(value as InsteadKind)
}

const HTML = '<html><body>We are down for maintenance</body></html>'
const KEY = JSON.stringify({ transactionKey: 'tx-of-nobody' })
const TOO_LARGE = JSON.stringify({ padding: 'x'.repeat(70 * 1024), transactionKey: 'tx-of-nobody' })

/** Responds so. Nothing is charged. */
export function answerInstead(response: ServerResponse, kind: InsteadKind): void {
  const send = (status: number, type: string, body: string | Buffer, headers: readonly string[] = []) => {
    response.writeHead(status, ['Content-Type', type, 'Content-Length', String(Buffer.byteLength(body)), ...headers])
    response.end(body)
  }
  const html = (status: number, headers: readonly string[] = []) => send(status, 'text/html', HTML, headers)
  switch (kind) {
    case 'redirect-302':
      html(302, ['Location', '/maintenance'])
      break
    case 'no-route-404':
      send(404, 'text/plain', 'default backend - 404')
      break
    case 'html-200':
      html(200)
      break
    case 'no-key-200':
      send(200, 'application/json', '{"status":"ok"}')
      break
    case 'empty-204':
      response.writeHead(204).end()
      break
    case 'gzip':
      send(200, 'application/json', gzipSync(KEY), ['Content-Encoding', 'gzip'])
      break
    case 'cut':
      response.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(KEY.length)])
      response.write(KEY.slice(0, -5), () => response.socket?.destroy())
      break
    case 'too-large':
      send(200, 'application/json', TOO_LARGE)
      break
    case 'reset':
      response.socket?.resetAndDestroy()
      break
    default:
      html(Number(kind.slice('status-'.length)))
      break
  }
}
