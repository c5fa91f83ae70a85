import { expect, test } from '@jest/globals'
import { addressOf } from '#admin/security/authenticate.ts'

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:aaaa:bbbb:cccc:dddd', '2001:db8:1:2::'],
  ['2001:db8:1:2::1', '2001:db8:1:2::'],
  ['2001:db8:1:3::1', '2001:db8:1:3::'],
  ['::1', '::'],
])('wrong passwords from %s are counted for %s: of IPv6 a /64 is one customer', (ip, address) => {
  expect(addressOf(ip)).toBe(address)
})
