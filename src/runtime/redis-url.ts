/** Where a Redis URL leads, and as whom: every part of it, for every connection that is made from it. */
export interface RedisEndpoint {
  host: string
  port: number
  username?: string
  password?: string
  /** A cluster has only 0. */
  db: number
  family?: 4 | 6
  isTls: boolean
}

const DEFAULT_PORT = 6379
const MAX_DB = 2 ** 31 - 1

/**
 * Takes `redis://` and `rediss://` with user, password, host (IPv6 in brackets), port, `/db` and `?family=4|6`. Throws a
 * TypeError that says what is wrong with the URL, without saying what stands there: it may hold a password.
 */
export function parseRedisUrl(text: string, options: { cluster?: boolean } = {}): RedisEndpoint {
  if (text.includes('#')) throw new TypeError('must hold no «#»: in a password it is written as %23')
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol))
    throw new TypeError('must be a URL that begins with redis:// or rediss://')
  if (url.hostname === '') throw new TypeError('must name a host')
  const db = dbOf(url)
  if (options.cluster === true && db !== 0)
    throw new TypeError(`must name no database (/${db}): a cluster has only number 0`)
  const family = familyOf(url)
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    ...(url.username === '' ? {} : { username: decoded(url.username, 'user') }),
    ...(url.password === '' ? {} : { password: decoded(url.password, 'password') }),
    db,
    ...(family === undefined ? {} : { family }),
    isTls: url.protocol === 'rediss:',
  }
}

function dbOf({ pathname }: URL): number {
  const [, digits] = /^\/?(\d{0,10})$/.exec(pathname) ?? []
  const db = Number(digits)
  if (digits === undefined || db > MAX_DB) throw new TypeError('must have nothing but a database number as its path')
  return db
}

function familyOf({ searchParams }: URL): 4 | 6 | undefined {
  const names = [...searchParams.keys()]
  const unknown = names.find(name => name !== 'family')
  if (unknown !== undefined) throw new TypeError(`has a parameter that nothing here obeys: «${unknown}»`)
  if (names.length === 0) return undefined
  const [family, ...others] = searchParams.getAll('family')
  if (others.length > 0 || (family !== '4' && family !== '6')) throw new TypeError('must have 4 or 6 as its «family»')
  return family === '4' ? 4 : 6
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError(`has a «%» in its ${part} that is no escape: write it as %25`)
  }
}
