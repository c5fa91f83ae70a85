/**
 * Runs `work` once at a time: who calls while it runs gets the promise of that run, its error too. With `keyOf`, once at a
 * time for each key.
 */
export function singleFlight<Args extends readonly unknown[], T>(
  work: (...args: Args) => Promise<T>,
  keyOf: (...args: Args) => unknown = () => undefined,
) {
  const runs = new Map<unknown, Promise<T>>()
  const run = (...args: Args): Promise<T> => {
    const key = keyOf(...args)
    const known = runs.get(key)
    if (known !== undefined) return known
    const begun = work(...args).finally(() => runs.delete(key))
    runs.set(key, begun)
    return begun
  }
  /** The run of this key that is in flight, if there is one. */
  run.inFlight = (...args: Args): Promise<T> | undefined => runs.get(keyOf(...args))
  return run
}
