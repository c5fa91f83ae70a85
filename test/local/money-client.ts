import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Reply {
  status: number
  text: string
  headers: IncomingHttpHeaders
}

export const BODY = { type: 'VOUCHER', promotionId: '42', targetId: '7', memberId: '9', amount: '1000' }

/** One exchange on a connection of its own; rejects with what the transport says. */
export function call(
  port: number,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {},
): Promise<Reply> {
  const { headers = {}, body, signal } = options
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false })
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers, agent, ...(signal ? { signal } : {}) })
    outgoing.once('error', reject)
    outgoing.once('response', incoming => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', chunk => {
        text += chunk
      })
      incoming.once('error', reject)
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, text, headers: incoming.headers }))
    })
    outgoing.end(body)
  })
}

export function charge(port: number, key: string, body: object = BODY, signal?: AbortSignal): Promise<Reply> {
  return call(port, 'POST', '/v1/campaign-charges', {
    headers: { 'idempotency-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

export async function control(port: number, settings: object): Promise<void> {
  const { status, text } = await call(port, 'PUT', '/control', { body: JSON.stringify(settings) })
  if (status !== 200) throw new Error(text)
}

export async function summary(port: number): Promise<Record<string, unknown> & { byOutcome: Record<string, number> }> {
  return JSON.parse((await call(port, 'GET', '/ledger/summary')).text)
}

export async function lines(port: number, path: string): Promise<Record<string, unknown>[]> {
  const { text } = await call(port, 'GET', path)
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}
