import type { ConnectionOptions } from 'node:tls'
import type { Dispatcher } from 'undici'
import { CodedError } from '#runtime/errors.ts'
import type { HttpAnswer, HttpMethod } from './charge.ts'
import { Connections } from './connections.ts'
import { LoopLateness } from './loop-lateness.ts'

export interface HttpOptions {
  baseUrl: string
  token: string | undefined
  /** One exchange from its first byte to its last, in ms. */
  timeoutMs: number
  /** Connections kept open; as many as there are calls at once. */
  connections: number
  /** A CA and a certificate of one's own. */
  tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>
}

export interface HttpCall {
  method: HttpMethod
  /** Below the base URL, with a leading slash. */
  path: string
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal | undefined
}

const MAX_REPLY_BYTES = 64 * 1024
/** What a loop may be late by without having stood still, in ms. */
const LATE_MS = 20
/** Of a time-out: a call whose process stood still for longer says nothing about the other side. */
const STALLED_SHARE = 0.25

/**
 * One keep-alive connection pool to one service. Goes through undici's `dispatch`, which costs a fifth of `fetch`;
 * follows no redirect, and never sends a call twice by itself.
 */
export class HttpPool {
  readonly #connections: Connections
  readonly #prefix: string
  readonly #timeoutMs: number
  #headers: Record<string, string>
  readonly #lateness = new LoopLateness()
  /** One listener a signal, however many calls it covers: an EventTarget finds a listener by walking them all. */
  readonly #bySignal = new WeakMap<AbortSignal, Set<Exchange>>()

  constructor(options: HttpOptions) {
    const url = new URL(options.baseUrl)
    this.#prefix = url.pathname.replace(/\/+$/, '')
    this.#timeoutMs = options.timeoutMs
    this.#headers = headersOf(options.token)
    this.#connections = new Connections(url.origin, options.connections, {
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect: { timeout: options.timeoutMs, ...options.tls },
      // The timer of each exchange covers it whole; undici's own two have a resolution of about a second.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  /** The calls from now on carry it; those under way were sent with the one before. */
  setToken(token: string): void {
    this.#headers = headersOf(token)
  }

  /** Never rejects: silence is an answer too. */
  exchange(call: HttpCall): Promise<HttpAnswer> {
    return new Promise(resolve => {
      const companions = this.#companions(call.signal)
      const group = this.#connections.take()
      const exchange = new Exchange(this.#timeoutMs, this.#lateness, answer => {
        group.underWay -= 1
        companions?.delete(exchange)
        resolve(answer)
      })
      if (call.signal?.aborted) return exchange.abort()
      companions?.add(exchange)
      try {
        group.pool.dispatch(
          {
            method: call.method,
            path: this.#prefix + call.path,
            headers: call.headers === undefined ? this.#headers : { ...this.#headers, ...call.headers },
            body: call.body ?? null,
          },
          exchange,
        )
      } catch (error) {
        exchange.onResponseError(null, error as Error)
      }
    })
  }

  #companions(signal: AbortSignal | undefined): Set<Exchange> | undefined {
    if (signal === undefined) return undefined
    const known = this.#bySignal.get(signal)
    if (known !== undefined) return known
    const exchanges = new Set<Exchange>()
    this.#bySignal.set(signal, exchanges)
    signal.addEventListener('abort', () => exchanges.forEach(exchange => void exchange.abort()), { once: true })
    return exchanges
  }

  close(): Promise<void> {
    this.#lateness.stop()
    return this.#connections.destroy()
  }
}

function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

/**
 * Collects one reply; ends at its last byte, an error, the time-out or the caller's signal, whichever is first. Node runs
 * timers before it reads sockets: at the time-out what has arrived is read first, and time in which this process stood
 * still is granted once.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #timeoutMs: number
  readonly #lateness: LoopLateness
  readonly #startedAtMs = performance.now()
  readonly #latenessBeforeMs: number
  readonly #resolve: (answer: HttpAnswer) => void
  #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #isUnsent = true
  #isGranted = false
  #isStalled = false
  #ended = false
  #status = 0
  #retryAfter: string | undefined
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(timeoutMs: number, lateness: LoopLateness, resolve: (answer: HttpAnswer) => void) {
    this.#timeoutMs = timeoutMs
    this.#lateness = lateness
    lateness.watch()
    this.#latenessBeforeMs = lateness.totalMs
    this.#resolve = resolve
    this.#timer = setTimeout(() => this.#onTimeUp(), timeoutMs)
  }

  /** `setImmediate` comes after the sockets were read. */
  #onTimeUp(): void {
    const overdueMs = performance.now() - this.#startedAtMs - this.#timeoutMs
    setImmediate(() => {
      if (this.#ended) return
      const lateMs = Math.min(this.#timeoutMs, Math.max(overdueMs, this.#lateness.totalMs - this.#latenessBeforeMs))
      if (this.#isGranted || lateMs < LATE_MS) return this.#fail(timeOut(this.#timeoutMs))
      this.#isGranted = true
      this.#isStalled = lateMs >= this.#timeoutMs * STALLED_SHARE
      this.#timer = setTimeout(() => this.#onTimeUp(), lateMs)
    })
  }

  abort(): void {
    this.#fail(new CodedError('ABORTED', 'the call was given up by a stopping process'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (!this.#ended) this.#isUnsent = false
    // Timed out while it waited for a connection: not one byte was sent, and none will be.
    if (this.#ended) controller.abort(new CodedError('TIMEOUT', 'the call was given up before it was sent'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    const retryAfter = headers['retry-after']
    this.#retryAfter = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > MAX_REPLY_BYTES) {
      this.#fail(new CodedError('REPLY_TOO_LARGE', `the reply is larger than ${MAX_REPLY_BYTES} bytes`))
    } else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    const body = (this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)).toString()
    this.#end({ kind: 'reply', status: this.#status, body, retryAfter: this.#retryAfter })
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#endUnheard(error)
  }

  #fail(error: Error): void {
    if (this.#ended) return
    this.#endUnheard(error)
    this.#controller?.abort(error)
  }

  #endUnheard(error: Error): void {
    this.#end({ kind: 'no-reply', error, isUnsent: this.#isUnsent, isStalled: this.#isStalled })
  }

  #end(answer: HttpAnswer): void {
    if (this.#ended) return
    this.#ended = true
    this.#lateness.unwatch()
    clearTimeout(this.#timer)
    this.#resolve(answer)
  }
}

function timeOut(timeoutMs: number): CodedError {
  return new CodedError('TIMEOUT', `no whole reply within ${timeoutMs} ms`)
}
