import { within } from '#runtime/within.ts'

/** `otherwise` for an answer that fails or does not come in time: a client without a connection would wait for ever. */
export function answerOr<T>(work: Promise<T>, otherwise: T, timeoutMs = 500): Promise<T> {
  return within(
    work.catch(() => otherwise),
    timeoutMs,
    () => otherwise,
  )
}
