import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { readSeal, signSeal } from '#promotion/seal/statement.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const signed = (statement: string) => {
  const signature = sign(null, Buffer.from(statement), privateKey).toString('base64')
  return { statement, signature, publicKey: spki }
}
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const account = { root: Buffer.alloc(32), chunks: [], gifts: 3, success: 2, failed: 1, amount: '200' }
const of = { promotionId: '42', type: 'VOUCHER', sequence: 1, previousRoot: null, sealedAt: new Date(0).toISOString() }

test('what was signed is read', () => {
  const seal = signSeal(of, account, pem)
  expect(readSeal(seal)).toMatchObject({ ...of, gifts: '3', success: '2', failed: '1', amount: '200' })
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
