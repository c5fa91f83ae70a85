import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parseDatabaseUrl } from '#config/database-url.ts'

const folder = mkdtempSync(join(tmpdir(), 'database-url-'))
const file = (name: string) => {
  writeFileSync(join(folder, name), `content of ${name}`)
  return join(folder, name)
}

describe('what a DATABASE_URL says holds', () => {
  test.each([
    [
      'postgres://u:p%40@db/promo',
      { host: 'db', port: 5432, user: 'u', password: 'p@', database: 'promo', ssl: false },
    ],
    ['postgresql://u@[::1]:6543/promo', { host: '::1', port: 6543, user: 'u', password: '', database: 'promo' }],
    ['postgres:///promo?host=/var/run/postgresql', { host: '/var/run/postgresql', database: 'promo' }],
    ['postgres://u:p@/promo?host=/run/pg&port=6000', { host: '/run/pg', port: 6000, user: 'u', password: 'p' }],
    ['postgres://%2Frun%2Fpg/promo', { host: '/run/pg' }],
    ['postgres://db/?dbname=promo&user=u&password=p%26q', { database: 'promo', user: 'u', password: 'p&q' }],
    ['postgres://db/promo?options=-c%20search_path%3Dgifts', { options: '-c search_path=gifts' }],
    ['postgres://db/promo?application_name=a+b', { applicationName: 'a+b' }],
    ['postgres://db/promo?connect_timeout=3', { connectTimeoutMs: 3000 }],
    ['postgres://db/promo?sslmode=disable', { ssl: false }],
  ])('%s', (url, expected) => {
    expect(parseDatabaseUrl(url)).toMatchObject(expected)
  })

  test.each([
    ['require', { rejectUnauthorized: false }],
    ['no-verify', { rejectUnauthorized: false }],
    ['verify-full', { rejectUnauthorized: true }],
    [`require&sslrootcert=${file('ca')}`, { rejectUnauthorized: true, ca: 'content of ca' }],
    [`verify-ca&sslrootcert=${file('ca')}`, { rejectUnauthorized: true, ca: 'content of ca' }],
    [
      `verify-full&sslcert=${file('cert')}&sslkey=${file('key')}&sslpassword=x`,
      { cert: 'content of cert', key: 'content of key', passphrase: 'x' },
    ],
  ])('sslmode=%s', (mode, expected) => {
    expect(parseDatabaseUrl(`postgres://db/promo?sslmode=${mode}`).ssl).toMatchObject(expected)
  })

  test('verify-full compares the name or address that the URL says; verify-ca does not', () => {
    const certificate = { subject: { CN: 'db' }, subjectaltname: 'DNS:db, IP Address:10.0.0.1' } as never
    const accepts = (url: string) => {
      const { ssl } = parseDatabaseUrl(url)
      return ssl !== false && ssl.checkServerIdentity?.('localhost', certificate) === undefined
    }
    expect(accepts('postgres://db/promo?sslmode=verify-full')).toBe(true)
    expect(accepts('postgres://10.0.0.1/promo?sslmode=verify-full')).toBe(true)
    expect(accepts('postgres://other/promo?sslmode=verify-full')).toBe(false)
    expect(accepts('postgres://10.0.0.2/promo?sslmode=verify-full')).toBe(false)
    expect(accepts('postgres://other/promo?sslmode=verify-full&sslrootcert=system')).toBe(false)
    expect(accepts(`postgres://other/promo?sslmode=verify-ca&sslrootcert=${file('ca')}`)).toBe(true)
  })
})

describe('what cannot hold is refused by name, without a value', () => {
  test.each([
    ['postgres://db/promo?ssl_mode=require', /parameter that is not supported: ssl_mode$/],
    ['postgres://db/promo?pgbouncer=true', /not supported: pgbouncer$/],
    ['postgres://db/promo?target_session_attrs=read-write', /not supported: target_session_attrs$/],
    ['postgres://db/promo?canary%20secret=1', /not supported: \(a name that cannot be shown\)$/],
    ['postgres://db/promo?sslmode=prefer', /sslmode that could end in clear text/],
    ['postgres://db/promo?sslmode=canary-secret', /sslmode that is no mode/],
    ['postgres://db/promo?sslmode=require&sslmode=disable', /sslmode twice/],
    ['postgres://db/promo?sslmode=verify-ca', /verify-ca without an sslrootcert/],
    ['postgres://db/promo?sslrootcert=/canary-secret', /has sslrootcert, but no sslmode/],
    ['postgres://db/promo?sslmode=verify-full&sslrootcert=/canary-secret', /sslrootcert that cannot be read: ENOENT$/],
    ['postgres://db/promo?sslmode=require&sslcert=/canary-secret', /sslcert and sslkey together/],
    ['postgres:///promo?host=/run/pg&sslmode=require', /sslmode=require on a Unix socket/],
    ['postgres://a,b/promo', /several hosts/],
    ['postgres://a:1,b:2/promo', /cannot be read/],
    ['postgres://u:canary-secret/x@db/promo', /cannot be read/],
    ['postgres://u:canary-secret#x@db/promo', /«#»/],
    ['postgres:///promo', /names no host/],
    ['postgres://db', /names no database/],
    ['postgres://db/promo?port=99999', /port that is none/],
    ['postgres://db/promo?connect_timeout=soon', /connect_timeout/],
    ['postgres://db/promo?options=%ff', /cannot be decoded: options/],
  ])('%s', (url, message) => {
    expect(() => parseDatabaseUrl(url)).toThrow(message)
    expect(() => parseDatabaseUrl(url)).not.toThrow(/canary/)
  })
})
