import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, describe, expect, test } from '@jest/globals'
import { loadConfig } from '#config/load.ts'
import { adminSchema, cliSchema, listenerSchema, SETTING_NAMES, workerSchema } from '#config/schemas.ts'
import { SECRET_NAMES } from '#config/secret-files.ts'
import { findUnknownNames } from '#config/unknown-names.ts'

const folder = mkdtempSync(join(tmpdir(), 'promostream-secrets-'))
afterAll(() => rmSync(folder, { recursive: true }))

const VALUES: Record<(typeof SECRET_NAMES)[number], string> = {
  DATABASE_URL: 'postgres://user:canary-secret@db:5432/promo',
  REDIS_URL: 'redis://:canary-secret@cache:6379',
  REDIS_STREAM_URL: 'redis://:canary-secret@streams:6379',
  KAFKA_SASL_PASSWORD: 'canary-secret-k',
  MONEY_API_TOKEN: 'canary-secret-m',
  SEAL_PRIVATE_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  ADMIN_USERS: 'vera:viewer:scrypt.32768.8.3.AAAAAAAAAAAAAAAAAAAAAA.canary-secret',
  ADMIN_HOOK_SECRET: 'canary-secret-h',
  ADMIN_SESSION_SECRET: 'canary-secret-of-thirty-two-characters',
}
const plain = { KAFKA_BROKERS: 'a:9092', MONEY_API_URL: 'https://money.example' }
const others = { DATABASE_URL: VALUES.DATABASE_URL, REDIS_URL: VALUES.REDIS_URL, ...plain }

function fileOf(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** A file of 3 GB that takes no room. */
function endless(): string {
  const path = fileOf('endless', '')
  truncateSync(path, 3e9)
  return path
}

function errorOf(work: () => unknown): string {
  try {
    work()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('secrets from files', () => {
  test.each(SECRET_NAMES)('%s comes from the file that its _FILE names, without the line end', name => {
    const { [name]: _, ...without } = others as Record<string, string>
    const path = fileOf(name, `${VALUES[name]}\r\n`)
    const schema = name in adminSchema.shape ? adminSchema : workerSchema
    const config = loadConfig(schema, { ...without, [`${name}_FILE`]: path }) as Record<string, unknown>
    expect(config[name]).toEqual((loadConfig(schema, { ...others, [name]: VALUES[name] }) as typeof config)[name])
    expect(config[name]).toBeDefined()
  })

  test('every secret that a process reads has a _FILE beside it, and none is taken for a slip', () => {
    const secret = /PASSWORD$|TOKEN$|SECRET$|USERS$|^(DATABASE|REDIS|REDIS_STREAM)_URL$/
    for (const schema of [listenerSchema, workerSchema, adminSchema, cliSchema])
      for (const name of Object.keys(schema.shape).filter(name => secret.test(name))) {
        expect(SECRET_NAMES).toContain(name)
        expect(Object.keys(schema.shape)).toContain(`${name}_FILE`)
      }
    expect(SETTING_NAMES).toEqual(expect.arrayContaining(SECRET_NAMES.map(name => `${name}_FILE`)))
    expect(findUnknownNames(Object.fromEntries(SECRET_NAMES.map(name => [`${name}_FILE`, '/x'])))).toEqual([])
  })

  test.each<[title: string, environment: Record<string, string>, message: RegExp]>([
    [
      'both',
      { MONEY_API_TOKEN_FILE: '/x', MONEY_API_TOKEN: 'canary-secret' },
      /^MONEY_API_TOKEN_FILE is set, and MONEY/,
    ],
    ['missing', { MONEY_API_TOKEN_FILE: `${folder}/none` }, /^MONEY_API_TOKEN_FILE cannot be read: ENOENT$/],
    ['a folder', { MONEY_API_TOKEN_FILE: folder }, /^MONEY_API_TOKEN_FILE cannot be read: EISDIR$/],
    [
      'two lines',
      { MONEY_API_TOKEN_FILE: fileOf('two', 'canary\nsecret') },
      /^MONEY_API_TOKEN has a control character/,
    ],
    ['as long as a disk', { MONEY_API_TOKEN_FILE: endless() }, /^MONEY_API_TOKEN_FILE is longer/],
    ['too long', { MONEY_API_TOKEN_FILE: fileOf('long', 'x'.repeat(2 ** 20 + 1)) }, /^MONEY_API_TOKEN_FILE is longer/],
    [
      'a wrong URL',
      { ...plain, DATABASE_URL: '', DATABASE_URL_FILE: fileOf('url', 'mysql://canary') },
      /^DATABASE_URL must/,
    ],
  ])('%s is one line naming it, without what it holds', (_title, environment, message) => {
    const told = errorOf(() => loadConfig(workerSchema, { ...others, ...environment }))
    expect(told).toMatch(message)
    expect(told).not.toContain('\n')
    expect(told).not.toContain('canary')
  })

  test('an empty file counts as not set, and a file of another process need not be there', () => {
    const empty = loadConfig(workerSchema, { ...others, MONEY_API_TOKEN_FILE: fileOf('empty', '\n') })
    expect(empty.MONEY_API_TOKEN).toBeUndefined()
    expect(loadConfig(workerSchema, { ...others, ADMIN_USERS_FILE: '/no/such/file' })).toBeDefined()
  })

  test('certificate and key of the Money API belong together, and to https', () => {
    const worker = (environment: Record<string, string>) =>
      errorOf(() => loadConfig(workerSchema, { ...others, ...environment }))
    expect(worker({ MONEY_API_CERT_FILE: '/c.pem' })).toMatch(/^MONEY_API_KEY_FILE is not set/)
    expect(worker({ MONEY_API_KEY_FILE: '/k.pem' })).toMatch(/^MONEY_API_CERT_FILE is not set/)
    expect(worker({ MONEY_API_CA_FILE: '/ca.pem', MONEY_API_URL: 'http://money' })).toMatch(/^MONEY_API_CA_FILE is set/)
    expect(worker({ MONEY_API_CA_FILE: '/no/ca.pem' })).toBe('MONEY_API_CA_FILE cannot be read: ENOENT')
    expect(worker({ MONEY_API_CERT_FILE: fileOf('c', 'x'), MONEY_API_KEY_FILE: fileOf('k', 'canary') })).toMatch(
      /^MONEY_API_CERT_FILE \(beside MONEY_API_KEY_FILE\) cannot be used: ERR_/,
    )
    const ca = rootCertificates[0] as string
    expect(worker({ MONEY_API_CA_FILE: fileOf('ca', ca) })).toBe('')
  })
})
