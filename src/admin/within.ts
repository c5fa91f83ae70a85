/** `otherwise` for an answer that fails or does not come in time: a client without a connection would wait for ever. */
export function within<T>(work: Promise<T>, otherwise: T, timeoutMs = 500): Promise<T> {
  const late = Promise.withResolvers<T>()
  const timer = setTimeout(() => late.resolve(otherwise), timeoutMs)
  return Promise.race([work.catch(() => otherwise), late.promise]).finally(() => clearTimeout(timer))
}
