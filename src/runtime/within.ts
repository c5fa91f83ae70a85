/**
 * What `work` comes to, if it does so within `timeoutMs`; else what `onLate` returns or throws. Work that is late goes on by
 * itself, and nobody hears how it ends.
 */
export async function within<T>(work: Promise<T>, timeoutMs: number, onLate: () => T): Promise<T> {
  const late = Promise.withResolvers<T>()
  const timer = setTimeout(() => {
    try {
      late.resolve(onLate())
    } catch (error) {
      late.reject(error)
    }
  }, timeoutMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
