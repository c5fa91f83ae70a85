import { createPrivateKey } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import { LARGEST_INTEGER } from '#queues/exact-integer.ts'
import { parseDatabaseUrl } from './database-url.ts'

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

/** In minor units, exact; 0 = none. */
export const amountOrNone = z
  .string()
  .regex(/^\d{1,19}$/, 'must be a whole number from 0 to 2^63-1')
  .transform(BigInt)
  .refine(amount => amount <= LARGEST_INTEGER, 'must be a whole number from 0 to 2^63-1')

/** More than 0, at most 1. */
export const share = z
  .string()
  .regex(/^(0\.\d{1,6}|1(\.0{1,6})?)$/, 'must be a number from 0.01 to 1')
  .transform(Number)
  .refine(value => value >= 0.01, 'must be a number from 0.01 to 1')
export const durationMs = integer(1, MAX_TIMER_MS)
export const durationMsOrNone = integer(0, MAX_TIMER_MS)
const PORT_COMPLAINT = 'must be a port from 1 to 65535, or 0 for any that is free'
const SERVICE_LINK =
  'is the address of a Kubernetes Service, not a port: set «enableServiceLinks: false» for the pod, or this variable itself'

/** 0 lets the system choose a free one; the log says which. */
export const port = z
  .string()
  .superRefine((value, context) => {
    const isPort = /^\d{1,5}$/.test(value) && Number(value) <= 65_535
    if (isPort) return
    context.addIssue({ code: 'custom', message: /^(tcp|udp|sctp):\/\//.test(value) ? SERVICE_LINK : PORT_COMPLAINT })
  })
  .transform(Number)

/** `/`, or a path such as `/tools/promostream`; without its last slash, so that ours can follow. */
export const basePath = z
  .string()
  .regex(/^\/(?:[\w.~-]+(?:\/[\w.~-]+)*\/?)?$/, 'must be a path that begins with /, such as /promostream')
  .transform(path => path.replace(/\/$/, ''))

/** Stands before every key of ours. Braces would put all keys of a cluster on one node, or some on the wrong one. */
export const keyPrefix = z
  .string()
  .regex(/^[^\s{}\p{C}]{0,64}$/u, 'must have no braces, no blanks and 64 characters at most')

export const flag = z.enum(['true', 'false'], 'must be true or false').transform(value => value === 'true')

export function url(...protocols: string[]) {
  const complaint = `must be a URL that begins with ${protocols.map(protocol => `${protocol}://`).join(' or ')}`
  return z.string().refine(value => {
    const parsed = URL.parse(value)
    return parsed !== null && protocols.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== ''
  }, complaint)
}

/** What {@link parseDatabaseUrl} can use; anything else is refused by name, before a connection is made. */
export const databaseUrl = z.string().superRefine((value, context) => {
  const complain = (message: string) => context.addIssue({ code: 'custom', message })
  if (!/^postgres(ql)?:\/\//.test(value)) return complain('must be a URL that begins with postgres:// or postgresql://')
  try {
    parseDatabaseUrl(value)
  } catch (error) {
    complain((error as Error).message)
  }
})

/** A base URL: paths are put behind it, so that nothing but a path may stand there. */
export const baseUrl = url('http', 'https').superRefine((value, context) => {
  const parsed = URL.parse(value)
  if (parsed === null) return
  const complain = (message: string) => context.addIssue({ code: 'custom', message })
  if (parsed.username !== '' || parsed.password !== '')
    complain('must hold no user and no password: MONEY_API_TOKEN is what is sent')
  if (value.includes('?')) complain('must hold no query: it would stand before the path of a call')
  if (value.includes('#')) complain('must hold no fragment')
})

/** What an HTTP header can carry as one token: visible ASCII. */
export const headerToken = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'has a character that cannot stand in a header: only visible ASCII without blanks can')

/** A private key for signatures as PEM; `\\n` stands for a line end where a file of settings takes one line only. */
export const ed25519PrivateKey = z
  .string()
  .transform(value => value.replaceAll('\\n', '\n'))
  .refine(isEd25519, 'must be an Ed25519 private key in PEM, without a passphrase: openssl genpkey -algorithm ed25519')

function isEd25519(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

/** A name that Kafka takes for a topic. */
export const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[\w.-]{1,249}$/, 'must be a topic name: up to 249 letters, digits, «.», «_» and «-»')

/** A host name or an address to listen on. */
export const host = z.string().regex(/^[^\s/@]+$/, 'must be a host name or an address')

export const list = text.transform(value =>
  value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)

export const brokers = list.refine(
  items => items.length > 0 && items.every(isHostAndPort),
  'must be a comma separated list of host:port',
)

function isHostAndPort(text: string): boolean {
  const port = /^(?:[^\s:/@]+|\[[\da-fA-F:.]+\]):(\d{1,5})$/.exec(text)?.[1]
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}

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
