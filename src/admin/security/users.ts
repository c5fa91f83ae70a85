import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AdminRole, AdminUser } from '#config/fields.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { checkPasswordHash, verifyPassword } from '#runtime/password.ts'

/** Who a request speaks for. */
export interface Identity {
  name: string
  role: AdminRole
}

/** The people and programs of `ADMIN_USERS`. */
export interface Users {
  /** The role somebody has now; undefined for one who is not, or no longer, there. */
  find(name: string): Identity | undefined
  /** Takes the same time for a name that does not exist. */
  verify(name: string, password: string): Promise<Identity | undefined>
  /** A pair that was right within ten minutes is not derived again: programs send theirs with each request. */
  remembered(name: string, password: string): Identity | undefined
  /**
   * A key for sessions that changes with any user: who is removed or gets a new password is logged out. Without a secret
   * it is this process's own: the hashes alone must not be enough to make a session.
   */
  sessionKey(secret: string | undefined): Buffer
}

const REMEMBERED_MS = 600_000
const MAX_REMEMBERED = 100
const MAX_PASSWORD_LENGTH = 1024
/** Derived for nobody, at the cost of a real one. */
const NOBODY = `scrypt.32768.8.3.${'A'.repeat(22)}.${'A'.repeat(43)}`

/** Throws `ADMIN_USERS` when a hash cannot be used: nobody could log in with it. */
export function createUsers(configured: readonly AdminUser[]): Users {
  configured.forEach(({ hash }, index) => {
    try {
      checkPasswordHash(hash)
    } catch (cause) {
      throw new CodedError('ADMIN_USERS', `ADMIN_USERS: user ${index + 1}: ${errorLine(cause)}`, { cause })
    }
  })
  const byName = new Map(configured.map(user => [user.name, user]))
  const pepper = randomBytes(32)
  const known = new LRUCache<string, Identity>({ max: MAX_REMEMBERED, ttl: REMEMBERED_MS, updateAgeOnGet: true })
  const fingerprint = (name: string, password: string) =>
    createHmac('sha256', pepper).update(`${name.length}:${name}${password}`).digest('base64')
  const find = (name: string) => {
    const user = byName.get(name)
    return user === undefined ? undefined : { name: user.name, role: user.role }
  }
  return {
    find,
    verify: async (name, password) => {
      if (password.length > MAX_PASSWORD_LENGTH) return undefined
      const isRight = await verifyPassword(password, byName.get(name)?.hash ?? NOBODY)
      const identity = isRight ? find(name) : undefined
      if (identity !== undefined) known.set(fingerprint(name, password), identity)
      return identity
    },
    remembered: (name, password) => known.get(fingerprint(name, password)),
    sessionKey: (secret = randomBytes(32).toString('base64')) => {
      const who = configured.map(({ name, role, hash }) => `${name}:${role}:${hash}`).join(',')
      return Buffer.from(hkdfSync('sha256', secret, who, 'promostream-admin-session', 32))
    },
  }
}
