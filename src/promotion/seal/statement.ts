import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { CodedError } from '#runtime/errors.ts'
import type { SealedAccount } from './account.ts'

const FORMAT = 'promostream-seal-1'

const digits = z.string().regex(/^\d{1,30}$/)
const root = z.string().regex(/^[0-9a-f]{64}$/)

const sealStatement = z.strictObject({
  format: z.literal(FORMAT),
  promotionId: digits,
  type: z.string().regex(/^[A-Z_]+$/),
  /** 1 at the completion; one more each time that UNKNOWN gifts of it were settled later. */
  sequence: z.int().min(1),
  /** The root of the seal before it; null in the first. */
  previousRoot: root.nullable(),
  /** ISO 8601, UTC. */
  sealedAt: z.iso.datetime(),
  gifts: digits,
  success: digits,
  failed: digits,
  amount: digits,
  /** SHA-256, hex. */
  root,
})

/** What is signed, as JSON text; counts and amounts are exact digits. */
export type SealStatement = z.infer<typeof sealStatement>

export interface SignedStatement {
  /** The text exactly as it was signed. */
  statement: string
  /** Ed25519, base64. */
  signature: string
  /** SubjectPublicKeyInfo, base64. */
  publicKey: string
}

/** Signs with the operator's Ed25519 key, a PEM text. */
export function signSeal(
  of: Pick<SealStatement, 'promotionId' | 'type' | 'sequence' | 'previousRoot' | 'sealedAt'>,
  account: SealedAccount,
  privateKeyPem: string,
): SignedStatement {
  const privateKey = createPrivateKey(privateKeyPem)
  const statement: SealStatement = {
    format: FORMAT,
    ...of,
    gifts: String(account.gifts),
    success: String(account.success),
    failed: String(account.failed),
    amount: account.amount,
    root: account.root.toString('hex'),
  }
  const text = JSON.stringify(statement)
  return {
    statement: text,
    signature: sign(null, Buffer.from(text), privateKey).toString('base64'),
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64'),
  }
}

/** @throws `SEAL_INVALID` when it was not signed by the key that it names, or says nothing that we know. */
export function readSeal({ statement, signature, publicKey }: SignedStatement): SealStatement {
  // Base64 has spare bits at its end: one text for one value.
  if (![signature, publicKey].every(text => Buffer.from(text, 'base64').toString('base64') === text)) {
    throw new CodedError('SEAL_INVALID', 'the signature or the public key of the seal is no base64')
  }
  const key = publicKeyOf(publicKey)
  if (!verify(null, Buffer.from(statement), key, Buffer.from(signature, 'base64'))) {
    throw new CodedError('SEAL_INVALID', 'the signature of the seal is not its key’s')
  }
  const parsed = sealStatement.safeParse(jsonOf(statement))
  if (!parsed.success) throw new CodedError('SEAL_INVALID', `what was signed is no statement of the format ${FORMAT}`)
  return parsed.data
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function publicKeyOf(base64: string): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new CodedError('SEAL_INVALID', 'the public key of the seal is no Ed25519 key')
}

/** SHA-256 of a public key, as people compare it. */
export function fingerprintOf(publicKey: string): string {
  return `sha256:${hash('sha256', Buffer.from(publicKey, 'base64'), 'hex')}`
}

/** The public key of a PEM text as a seal names it. */
export function publicKeyOfPem(pem: string): string {
  return createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64')
}
