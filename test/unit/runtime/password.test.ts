import { scryptSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { hashPassword, verifyPassword } from '#runtime/password.ts'

const SALT = Buffer.alloc(16, 7)
const hashOf = (fields: { N?: number; r?: number; p?: number; salt?: string; key?: string }) => {
  const { N = 16_384, r = 8, p = 1, salt = SALT.toString('base64url') } = fields
  return `scrypt.${N}.${r}.${p}.${salt}.${fields.key ?? Buffer.alloc(32).toString('base64url')}`
}

describe('passwords (docs/contract.md, ADMIN_USERS)', () => {
  test('a hash has the form scrypt.N.r.p.salt.key, no two are alike, and takes its own password only', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])
    expect(one).toMatch(/^scrypt\.32768\.8\.3\.[\w-]{22}\.[\w-]{43}$/)
    expect(two).not.toBe(one)
    expect(await verifyPassword('correct horse', one)).toBe(true)
    expect(await verifyPassword('correct horsf', one)).toBe(false)
    expect(await verifyPassword('', one)).toBe(false)
  })

  test('a hash that another program made is read as it says', async () => {
    const key = scryptSync('geheim', SALT, 64, { N: 16_384, r: 8, p: 1 }).toString('base64url')
    expect(await verifyPassword('geheim', hashOf({ key }))).toBe(true)
    expect(await verifyPassword('anders', hashOf({ key }))).toBe(false)
  })

  test('the same letters from another keyboard are the same password', async () => {
    expect(await verifyPassword('u\u0308ber', await hashPassword('\u00fcber'))).toBe(true)
  })

  test.each([
    ['empty', ''],
    ['another scheme', hashOf({}).replace('scrypt', 'bcrypt')],
    ['a dollar', hashOf({}).replaceAll('.', '$')],
    ['N no power of two', hashOf({ N: 30_000 })],
    ['N too weak', hashOf({ N: 8192 })],
    ['N that eats the memory', hashOf({ N: 2 ** 24 })],
    ['r that eats the memory', hashOf({ r: 1024 })],
    ['p that eats the time', hashOf({ p: 9999 })],
    ['r zero', hashOf({ r: 0 })],
    ['a salt too short', hashOf({ salt: 'AAAA' })],
    ['a key too short', hashOf({ key: 'AAAA' })],
  ])('absurd: %s', async (_name, hash) => {
    await expect(verifyPassword('x', hash)).rejects.toMatchObject({ code: 'PASSWORD_HASH' })
  })
})
