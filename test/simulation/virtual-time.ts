import { createRequire, registerHooks, syncBuiltinESMExports } from 'node:module'
import type { Happening, Scheduler, SimProcess } from './scheduler.ts'

/**
 * Puts the clocks, timers and chances of this whole process on a scheduler, for as long as one is active. Imported before
 * everything else: what other modules import from Node is then ours.
 */

/** Where virtual time begins, in ms since the epoch; and `performance.now()`, in ms. */
const EPOCH_MS = 1_800_000_000_000
const UPTIME_MS = 10_000

let active: Scheduler | undefined

export function useScheduler(scheduler: Scheduler | undefined): void {
  active = scheduler
}

/** Whose happening it is: what a real process has once, each of the simulated ones has by itself. */
export function currentProcess(): SimProcess | undefined {
  return active?.current
}

export function epochMs(): number {
  return EPOCH_MS + (active?.nowMs ?? 0)
}

/** As Node's timers are: an object that can be told not to keep the process alive. */
class VirtualTimer {
  happening: Happening | undefined

  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
  close(): this {
    if (this.happening !== undefined) this.happening.run = undefined
    return this
  }
  [Symbol.dispose](): void {
    this.close()
  }
}

type Callback = (...args: unknown[]) => void

const real = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, Date }
const realRandom = Math.random
const realNow = performance.now.bind(performance)

const delayOf = (ms: unknown) => (Number(ms) >= 1 && Number(ms) <= 2 ** 31 - 1 ? Math.trunc(Number(ms)) : 1)

function virtualTimeout(run: Callback, ms?: unknown, ...args: unknown[]) {
  if (active === undefined) return real.setTimeout(run, ms as number, ...args)
  const timer = new VirtualTimer()
  timer.happening = active.after(active.current, delayOf(ms), () => run(...args))
  return timer
}

function virtualInterval(run: Callback, ms?: unknown, ...args: unknown[]) {
  if (active === undefined) return real.setInterval(run, ms as number, ...args)
  const timer = new VirtualTimer()
  const repeat = () => {
    timer.happening = active?.after(active.current, delayOf(ms), repeat)
    run(...args)
  }
  timer.happening = active.after(active.current, delayOf(ms), repeat)
  return timer
}

function virtualImmediate(run: Callback, ...args: unknown[]) {
  if (active === undefined) return real.setImmediate(run, ...args)
  const timer = new VirtualTimer()
  timer.happening = active.soon(active.current, () => run(...args))
  return timer
}

const clearing = (clearReal: (timer: never) => void) => (timer: unknown) => {
  if (timer instanceof VirtualTimer) timer.close()
  else if (timer !== undefined && timer !== null) clearReal(timer as never)
}

function virtualSleep(ms?: number, value?: unknown, options?: { signal?: AbortSignal }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = options?.signal
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      globalThis.clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve(value)
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

class VirtualDate extends real.Date {
  constructor(...args: []) {
    if (args.length === 0) super(epochNow())
    else super(...args)
  }
  static override now(): number {
    return Math.floor(epochNow())
  }
}

const epochNow = () => (active === undefined ? real.Date.now() : epochMs())

function virtualBytes(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => Math.floor(Math.random() * 256)))
}

Object.assign(globalThis, {
  setTimeout: virtualTimeout,
  setInterval: virtualInterval,
  setImmediate: virtualImmediate,
  clearTimeout: clearing(real.clearTimeout),
  clearInterval: clearing(real.clearInterval),
  clearImmediate: clearing(real.clearImmediate),
  Date: VirtualDate,
})
Math.random = () => active?.random.next() ?? realRandom()
Object.defineProperty(performance, 'now', {
  value: () => (active === undefined ? realNow() : active.nowMs + UPTIME_MS),
})
AbortSignal.timeout = ms => {
  const controller = new AbortController()
  globalThis.setTimeout(() => controller.abort(new DOMException('timed out', 'TimeoutError')), ms)
  return controller.signal
}
const require = createRequire(import.meta.url)
require('node:timers/promises').setTimeout = virtualSleep
require('node:crypto').randomBytes = virtualBytes
syncBuiltinESMExports()

/** What the sources import, and what they get here. */
const REPLACED: Readonly<Record<string, string>> = {
  'lru-cache': new URL('small-cache.ts', import.meta.url).href,
  './suspect-lane.ts': new URL('suspect-lanes.ts', import.meta.url).href,
}
registerHooks({
  resolve: (name, context, next) => {
    const ours = REPLACED[name]
    return next(ours === undefined || context.parentURL === ours ? name : ours, context)
  },
})

/** The time outside of the simulation, in ms. */
export const realNowMs = realNow
