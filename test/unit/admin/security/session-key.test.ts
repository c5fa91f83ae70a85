import { expect, test } from '@jest/globals'
import { createUsers } from '#admin/security/users.ts'
import type { AdminUser } from '#config/fields.ts'

const hash = (key: string) => `scrypt.32768.8.3.${'A'.repeat(22)}.${key.repeat(43)}`
const vera: AdminUser = { name: 'vera', role: 'viewer', hash: hash('A') }
const otto: AdminUser = { name: 'otto', role: 'operator', hash: hash('B') }
const SECRET = 'a secret of thirty-two characters'
const keyOf = (users: AdminUser[], secret: string | undefined = SECRET) =>
  createUsers(users).sessionKey(secret).toString('hex')

test('the same users and secret have the same session key, on every admin', () => {
  expect(keyOf([vera, otto])).toBe(keyOf([{ ...vera }, { ...otto }]))
})

test.each<[name: string, users: AdminUser[]]>([
  ['a new password', [vera, { ...otto, hash: hash('C') }]],
  ['another role', [{ ...vera, role: 'operator' }, otto]],
  ['another name', [{ ...vera, name: 'vero' }, otto]],
  ['one user less', [vera]],
])('%s is a new session key: who was logged in is not any more', (_name, users) => {
  expect(keyOf(users)).not.toBe(keyOf([vera, otto]))
})

test('another secret is another key, and without one it is this process’s own', () => {
  expect(keyOf([vera], `${SECRET}!`)).not.toBe(keyOf([vera]))
  const users = createUsers([vera])
  expect(users.sessionKey(undefined)).not.toEqual(users.sessionKey(undefined))
})
