import { isIP } from 'node:net'
import { z } from 'zod'

/** Building blocks of the schemas: each turns the text of one variable into a value, or says what is wrong with it. */

const MAX_TIMER_MS = 2 ** 31 - 1

export const text = z.string().min(1, 'must not be empty')

export function integer(minimum: number, maximum: number) {
  const complaint = `must be a whole number from ${minimum} to ${maximum}`
  return z
    .string()
    .regex(/^\d{1,15}$/, complaint)
    .transform(Number)
    .pipe(z.number().min(minimum, complaint).max(maximum, complaint))
}

export const countOrNone = integer(0, 1_000_000_000)
export const durationMs = integer(1, MAX_TIMER_MS)
export const durationMsOrNone = integer(0, MAX_TIMER_MS)
/** 0 lets the system choose a free one (tests). */
export const port = integer(0, 65_535)

export const flag = z.enum(['true', 'false'], 'must be true or false').transform(value => value === 'true')

export function url(...protocols: string[]) {
  const complaint = `must be a URL that begins with ${protocols.map(protocol => `${protocol}://`).join(' or ')}`
  return z.string().refine(value => {
    const parsed = URL.parse(value)
    return parsed !== null && protocols.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== ''
  }, complaint)
}

export const list = text.transform(value =>
  value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)

export const brokers = list.refine(
  items => items.length > 0 && items.every(item => /^[^\s:/]+:\d{1,5}$|^\[[^\]]+\]:\d{1,5}$/.test(item)),
  'must be a comma separated list of host:port',
)

/** Only what runs on this machine reaches it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

export const ADMIN_ROLES = ['viewer', 'operator'] as const

export type AdminRole = (typeof ADMIN_ROLES)[number]

export interface AdminUser {
  name: string
  role: AdminRole
  /** `scrypt.N.r.p.salt.key`, salt and key in base64url. */
  hash: string
}

const USER = /^([^\s:,]{1,64}):(viewer|operator):(scrypt\.\d{1,9}\.\d{1,4}\.\d{1,4}\.[\w-]+\.[\w-]+)$/

/** A comma list of addresses and CIDR ranges. */
export const networks = list.refine(
  items => items.length > 0 && items.every(isNetwork),
  'must be a comma separated list of IP addresses and CIDR ranges',
)

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const maxBits = { 4: 32, 6: 128 }[isIP(address)]
  if (maxBits === undefined || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxBits)
}

/** A comma list of `name:role:hash`. A complaint names the user's place in the list, never what stands there. */
export const adminUsers = list.transform((items, context): AdminUser[] => {
  const users = new Map<string, AdminUser>()
  for (const [index, item] of items.entries()) {
    const [, name, role, hash] = USER.exec(item) ?? []
    const complaint =
      name === undefined || role === undefined || hash === undefined
        ? 'must be name:viewer:hash or name:operator:hash, the hash from «promostream hash-password»'
        : users.has(name)
          ? 'has a name that stands there twice'
          : undefined
    if (complaint === undefined) users.set(name as string, { name, role, hash } as AdminUser)
    else context.addIssue({ code: 'custom', message: `user ${index + 1} ${complaint}` })
  }
  if (items.length === 0) context.addIssue({ code: 'custom', message: 'names no user' })
  return [...users.values()]
})
