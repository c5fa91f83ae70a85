export const SERVERS = ['database', 'redis', 'kafka'] as const
export type Server = (typeof SERVERS)[number]

/** A server does not answer: what a page shows of it was read before. */
export interface Stale {
  server: Server
  /** When it was read, ISO 8601. */
  asOf: string
}

interface ReadTimes {
  atMs: number
  readAtMs: number
  redisReadAtMs: number
}

/** What of a snapshot was read before, because its server does not answer now. */
export function staleOf({ atMs, readAtMs, redisReadAtMs }: ReadTimes): Stale[] {
  const times = [
    ['database', readAtMs],
    ['redis', redisReadAtMs],
  ] as const
  return times
    .filter(([, readAt]) => readAt < atMs)
    .map(([server, readAt]) => ({ server, asOf: new Date(readAt).toISOString() }))
}

/** One line a server: as of the oldest of what is shown of it. */
export function oldestOfEach(stale: readonly Stale[]): Stale[] {
  return SERVERS.flatMap(server => {
    const times = stale.filter(one => one.server === server).map(({ asOf }) => asOf)
    const [asOf] = times.sort()
    return asOf === undefined ? [] : [{ server, asOf }]
  })
}
