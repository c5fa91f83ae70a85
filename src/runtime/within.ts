/**
 * What `work` comes to, if it does so within `timeoutMs`; else what `onLate` returns or throws. Work that is late goes on by
 * itself, and nobody hears how it ends.
 */
export function within<T>(work: Promise<T>, timeoutMs: number, onLate: () => T): Promise<T> {
  return race(work, onLate, end => {
    const timer = setTimeout(end, timeoutMs)
    return () => clearTimeout(timer)
  })
}

/** `otherwise` for an answer that fails or does not come in time: a client without a connection would wait for ever. */
export function answerOr<T>(work: Promise<T>, otherwise: T, timeoutMs = 500): Promise<T> {
  return within(
    work.catch(() => otherwise),
    timeoutMs,
    () => otherwise,
  )
}

/** How long is waited for work that a stop has to give up in the end; without a signal and a limit: for ever. */
export interface Patience {
  signal?: AbortSignal | undefined
  /** So long after the signal's abort, in ms. */
  graceMs: number
  /** And so long altogether, in ms. */
  limitMs?: number | undefined
}

/** As {@link within}, until the signal aborts. */
export function untilAborted<T>(work: Promise<T>, { signal, graceMs, limitMs }: Patience, onLate: () => T): Promise<T> {
  return race(work, onLate, end => {
    const timers: NodeJS.Timeout[] = []
    const onAbort = () => void timers.push(setTimeout(end, graceMs))
    if (limitMs !== undefined) timers.push(setTimeout(end, limitMs))
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    return () => {
      for (const timer of timers) clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  })
}

/** Whatever was arranged for the end of the wait is taken back when it is over: nothing keeps a process alive. */
async function race<T>(work: Promise<T>, onLate: () => T, arrange: (end: () => void) => () => void): Promise<T> {
  const late = Promise.withResolvers<T>()
  const end = () => {
    try {
      late.resolve(onLate())
    } catch (error) {
      late.reject(error)
    }
  }
  const takeBack = arrange(end)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    takeBack()
  }
}
