import { generateKeyPairSync, hash, sign } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { fingerprintOf, publicKeyOfPem, readSeal, signSeal } from '#promotion/seal/statement.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const signed = (statement: string) => {
  const signature = sign(null, Buffer.from(statement), privateKey).toString('base64')
  return { statement, signature, publicKey: spki }
}
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const newPem = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const account = { root: Buffer.alloc(32), chunks: [], gifts: 3, success: 2, failed: 1, amount: '200' }
const of = { promotionId: '42', type: 'VOUCHER', sequence: 1, previousRoot: null, sealedAt: new Date(0).toISOString() }

test('what was signed is read', () => {
  const seal = signSeal(of, account, pem)
  expect(readSeal(seal)).toMatchObject({ ...of, gifts: '3', success: '2', failed: '1', amount: '200' })
})

test('a seal that another key has signed, or that was changed afterwards, is none', () => {
  const seal = signSeal(of, account, pem)
  const other = signSeal(of, account, newPem()).publicKey
  const changed = seal.statement.replace('"success":"2"', '"success":"3"')
  expect(changed).not.toBe(seal.statement)
  for (const wrong of [{ publicKey: other }, { statement: changed }, { signature: 'AAAA' }])
    expect(() => readSeal({ ...seal, ...wrong })).toThrow(/signature of the seal is not its key’s/)
})

test('a seal has one text: base64 that is written otherwise is none', () => {
  const seal = signSeal(of, account, pem)
  const padded = seal.signature.replaceAll('=', '')
  for (const wrong of [
    { signature: padded },
    { publicKey: `${seal.publicKey}\n` },
    { signature: `${seal.signature}!` },
  ])
    expect(() => readSeal({ ...seal, ...wrong })).toThrow(/no base64/)
})

test('a key of another kind is none, though what it signed is right', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { statement } = signSeal(of, account, pem)
  const signature = sign(null, Buffer.from(statement), ec.privateKey).toString('base64')
  const key = ec.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  expect(() => readSeal({ statement, signature, publicKey: key })).toThrow(/no Ed25519 key/)
  expect(() => readSeal({ statement, signature, publicKey: 'AAAA' })).toThrow(/no Ed25519 key/)
})

test('a key is compared by its fingerprint, and a PEM text names the key of its seals', () => {
  const { publicKey: own } = signSeal(of, account, pem)
  expect(publicKeyOfPem(publicKey.export({ type: 'spki', format: 'pem' }).toString())).toBe(own)
  expect(fingerprintOf(own)).toBe(`sha256:${hash('sha256', Buffer.from(own, 'base64'), 'hex')}`)
})

const good = JSON.parse(signSeal(of, account, pem).statement) as object
test.each<[string, string]>([
  ['null', 'null'],
  ['a list', '[]'],
  ['no JSON', '{"format":'],
  ['nothing', ''],
  ['another format', JSON.stringify({ ...good, format: 'promostream-seal-2' })],
  ['a count that is none', JSON.stringify({ ...good, gifts: 'NaN' })],
  ['an endless count', JSON.stringify({ ...good, gifts: 'Infinity' })],
  ['a count that is missing', JSON.stringify({ ...good, success: undefined })],
  ['words for a terminal', JSON.stringify({ ...good, sealedAt: '\u001b[2K valid' })],
])('%s is no statement, though it is signed', (_what, statement) => {
  expect(() => readSeal(signed(statement))).toThrow(expect.objectContaining({ code: 'SEAL_INVALID' }))
})
