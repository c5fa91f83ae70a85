import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { type MoneyControl, parseControl } from './money-control.ts'
import type { Fault } from './money-faults.ts'
import { answerInstead } from './money-instead.ts'
import { MoneyLedger, type Outcome } from './money-ledger.ts'
import { type Answer, type Call, DEFAULT_MONEY_SETTINGS, MoneySimulator } from './money-simulator.ts'

/**
 * The Money API simulator over HTTP. Beside the charge and its lookup:
 * `GET /control`, `PUT /control` (some of the settings as JSON) · `GET /ledger/summary` · `GET /ledger/charges`
 * (NDJSON, `?promotionId=`) · `GET /ledger/requests` (NDJSON: the last 1,000, all with `recordRequests`) · `GET /health`.
 */
export interface MoneyServerOptions extends Partial<MoneyControl> {
  /** 0 picks a free one. */
  port: number
  /** Where it listens: loopback, unless it is told otherwise. */
  host?: string
  /** Wanted as bearer token on the two routes of the contract. */
  token?: string
  /** File that the charges are appended to, and read from at the start. */
  ledger?: string
}

const CHARGES = '/v1/campaign-charges'
const MAX_BODY_CHARACTERS = 64 * 1024
/** How long a call that is never answered stays open, when its caller does not give up first. */
const UNANSWERED_MS = 60_000

type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface RunningMoneySimulator {
  port: number
  /** Breaks off what is under way. */
  close(): Promise<void>
}

/** Resolves when it can be called. */
export async function startMoneySimulator(options: MoneyServerOptions): Promise<RunningMoneySimulator> {
  const { port, host = '127.0.0.1', token, ledger: path, recordRequests = false, ...settings } = options
  const ledger = new MoneyLedger(path)
  ledger.recordAll(recordRequests)
  const simulator = new MoneySimulator({ ...DEFAULT_MONEY_SETTINGS, ...settings }, ledger)
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, handler(simulator, token))
  server.listen(port, host, 4096)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      ledger.close()
    },
  }
}

function handler(simulator: MoneySimulator, token: string | undefined): Handler {
  const authorization = token === undefined ? undefined : `Bearer ${token}`
  const admin = adminRoutes(simulator)
  return (request, response) => {
    const { url = '', method } = request
    response.sendDate = false
    const credentialsOk = authorization === undefined || request.headers.authorization === authorization
    const lookedUp = method === 'GET' ? keyOfPath(url) : undefined
    if (method === 'POST' && url === CHARGES) {
      const key = request.headers['idempotency-key'] as string | undefined
      readBody(request, body => {
        run(simulator, response, 'POST', key ?? '', simulator.post(key, body, credentialsOk, Date.now()))
      })
    } else if (lookedUp !== undefined) {
      run(simulator, response, 'GET', lookedUp, simulator.lookup(lookedUp, credentialsOk))
    } else admin(request, response)
  }
}

function keyOfPath(url: string): string | undefined {
  if (!url.startsWith(`${CHARGES}/`)) return undefined
  try {
    return decodeURIComponent(url.slice(CHARGES.length + 1)) || undefined
  } catch {
    return undefined
  }
}

/** Does what was decided when its time is over, whether or not anybody still listens. */
function run(
  simulator: MoneySimulator,
  response: ServerResponse,
  method: 'POST' | 'GET',
  key: string,
  call: Call,
): void {
  const finish = () => {
    const answer = call.answer()
    const { attempt, fault } = call
    const outcome: Outcome = fault === undefined || fault.kind === 'slow' ? answer.outcome : `fault:${fault.kind}`
    simulator.ledger.record({ method, key, attempt, atMs: Date.now(), outcome })
    if (call.instead !== undefined) answerInstead(response, call.instead)
    else if (fault === undefined) send(response, answer.status, answer.body)
    else spoil(response, answer, fault)
  }
  if (call.delayMs <= 0) finish()
  else setTimeout(finish, call.delayMs)
}

function spoil(response: ServerResponse, answer: Answer, fault: Fault): void {
  switch (fault.kind) {
    case 'error-500':
      send(response, 500, '{"error":"something broke"}')
      break
    case 'error-503':
      send(response, 503, '{"error":"not now"}')
      break
    case 'rate-limited':
      send(response, 429, '{"error":"too many requests"}', ['Retry-After', '1'])
      break
    case 'slow':
      send(response, answer.status, answer.body)
      break
    case 'reset-before':
    case 'reset-after':
      response.socket?.resetAndDestroy()
      break
    case 'timeout-after':
      leaveUnanswered(response)
      break
    case 'cut-json':
      cut(response, answer, fault.shade)
  }
}

function leaveUnanswered(response: ServerResponse): void {
  const timer = setTimeout(() => response.socket?.destroy(), UNANSWERED_MS)
  response.once('close', () => clearTimeout(timer))
}

/** Half of the cut replies are whole in HTTP and broken in JSON; of the others the connection ends too early. */
function cut(response: ServerResponse, { status, body }: Answer, shade: number): void {
  const half = body.slice(0, body.length >> 1)
  if (shade < 0.5) {
    send(response, status, half)
  } else {
    response.writeHead(status, ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))])
    response.write(half, () => response.socket?.destroy())
  }
}

function send(response: ServerResponse, status: number, body: string, headers: readonly string[] = []): void {
  const length = String(Buffer.byteLength(body))
  response.writeHead(status, ['Content-Type', 'application/json', 'Content-Length', length, ...headers])
  response.end(body)
}

function readBody(request: IncomingMessage, use: (body: string) => void): void {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    body += chunk
    if (body.length > MAX_BODY_CHARACTERS) request.destroy()
  })
  request.on('end', () => use(body))
}

function adminRoutes(simulator: MoneySimulator): Handler {
  const { ledger } = simulator
  const control = () => JSON.stringify({ ...simulator.settings, recordRequests: ledger.recordsAll })
  const set = (response: ServerResponse, body: string) => {
    const settings = parseControl(body)
    if (typeof settings === 'string') {
      send(response, 400, JSON.stringify({ error: settings }))
      return
    }
    const { recordRequests = ledger.recordsAll, ...rest } = settings
    simulator.settings = { ...simulator.settings, ...rest }
    ledger.recordAll(recordRequests)
    send(response, 200, control())
  }
  const routes: Record<string, (url: URL, request: IncomingMessage, response: ServerResponse) => void> = {
    'GET /health': (_url, _request, response) => send(response, 200, '{"status":"ok"}'),
    'GET /control': (_url, _request, response) => send(response, 200, control()),
    'PUT /control': (_url, request, response) => readBody(request, body => set(response, body)),
    'GET /ledger/summary': (_url, _request, response) => send(response, 200, summary(ledger)),
    'GET /ledger/charges': ({ searchParams }, _request, response) =>
      stream(response, ledger.charges(searchParams.get('promotionId') ?? undefined)),
    'GET /ledger/requests': (_url, _request, response) => stream(response, ledger.requests()),
  }
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const route = routes[`${request.method} ${url.pathname}`]
    if (route === undefined) send(response, 404, '{"error":"no such route"}')
    else route(url, request, response)
  }
}

/** With `cpuMs`, the CPU time of this process so far, for benchmarks that share a machine with it. */
function summary(ledger: MoneyLedger): string {
  const { user, system } = process.cpuUsage()
  return JSON.stringify({ ...ledger.summary(), cpuMs: Math.round((user + system) / 1000) })
}

function stream(response: ServerResponse, chunks: Iterable<Buffer>): void {
  response.writeHead(200, ['Content-Type', 'application/x-ndjson'])
  // A reader that goes away in the middle has had enough.
  pipeline(Readable.from(chunks, { objectMode: false }), response).catch(() => undefined)
}

/** The process: `node money-simulator-server.ts --port 4000 --token T --ledger FILE --settings '{"latencyMs": 5}'`. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      token: { type: 'string' },
      ledger: { type: 'string' },
      settings: { type: 'string', default: '{}' },
      'no-dedup': { type: 'boolean', default: false },
    },
  })
  const settings = parseControl(values.settings)
  if (typeof settings === 'string') throw new Error(settings)
  const { port } = await startMoneySimulator({
    ...settings,
    ...(values['no-dedup'] ? { dedup: false } : {}),
    port: Number(values.port),
    host: values.host,
    ...(values.token === undefined ? {} : { token: values.token }),
    ...(values.ledger === undefined ? {} : { ledger: values.ledger }),
  })
  process.stdout.write(`listening on ${values.host}:${port}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))
}

if (import.meta.main) {
  main().catch((error: Error) => {
    process.stderr.write(`error: ${error.message}\n`)
    process.exit(1)
  })
}
