import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { CodedError } from './errors.ts'

/** OWASP's «Password Storage»: 32 MiB and about a tenth of a second a guess. */
const COST = { N: 2 ** 15, r: 8, p: 3 } as const
const SALT_BYTES = 16
const KEY_BYTES = 32
/** Bounds of what is taken from a setting: neither a guess for free nor a login that eats the process. */
const MIN_N = 2 ** 14
const MAX_MEMORY_BYTES = 256 * 1024 * 1024
const MAX_WORK = 2 ** 24

interface ParsedHash {
  N: number
  r: number
  p: number
  salt: Buffer
  key: Buffer
}

/** A new salt each time: `scrypt.N.r.p.salt.key`, the last two in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, KEY_BYTES, COST)
  const { N, r, p } = COST
  return ['scrypt', N, r, p, salt.toString('base64url'), key.toString('base64url')].join('.')
}

/**
 * Compares in constant time. Rejects with `PASSWORD_HASH` when `hash` is not one of {@link hashPassword}'s form, or its
 * parameters are too weak or too costly: a wrong setting, which no password can satisfy.
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const { salt, key, ...cost } = parseHash(hash)
  return timingSafeEqual(await derive(password, salt, key.length, cost), key)
}

/** Throws `PASSWORD_HASH` with what is wrong with it. */
export function checkPasswordHash(hash: string): void {
  parseHash(hash)
}

function parseHash(hash: string): ParsedHash {
  const match = /^scrypt\.(\d{1,8})\.(\d{1,4})\.(\d{1,4})\.([\w-]+)\.([\w-]+)$/.exec(hash)
  if (match === null) throw wrong('it must be scrypt.N.r.p.salt.key, as «promostream hash-password» prints it')
  const [N, r, p] = match.slice(1, 4).map(Number) as [number, number, number]
  const [salt, key] = match.slice(4).map(text => Buffer.from(text, 'base64url')) as [Buffer, Buffer]
  if (N < MIN_N || !Number.isInteger(Math.log2(N))) throw wrong(`N must be a power of two, ${MIN_N} or more`)
  if (r < 1 || p < 1 || 128 * N * r > MAX_MEMORY_BYTES || N * r * p > MAX_WORK) throw wrong('N, r or p is out of range')
  if (salt.length < 8 || salt.length > 64) throw wrong('the salt must have 8 to 64 bytes')
  if (key.length < 16 || key.length > 64) throw wrong('the key must have 16 to 64 bytes')
  return { N, r, p, salt, key }
}

function wrong(reason: string): CodedError {
  return new CodedError('PASSWORD_HASH', `a password hash cannot be used: ${reason}`)
}

function derive(
  password: string,
  salt: Buffer,
  length: number,
  cost: Pick<ParsedHash, 'N' | 'r' | 'p'>,
): Promise<Buffer> {
  const options: ScryptOptions = { ...cost, maxmem: 128 * cost.N * cost.r + 1024 * 1024 }
  return new Promise((resolve, reject) => {
    // The same password from every keyboard (RFC 8265 wants a normal form).
    scrypt(password.normalize('NFKC'), salt, length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
