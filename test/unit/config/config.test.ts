import { describe, expect, test } from '@jest/globals'
import { loadConfig } from '#config/load.ts'
import { adminSchema, listenerSchema, SETTING_NAMES, workerSchema } from '#config/schemas.ts'
import { findUnknownNames } from '#config/unknown-names.ts'

const minimal = {
  DATABASE_URL: 'postgres://user:canary-secret@db:5432/promo',
  REDIS_URL: 'redis://cache:6379',
  KAFKA_BROKERS: 'a:9092, b:9092',
  MONEY_API_URL: 'https://money.example',
}

describe('settings', () => {
  test('what is not set has the contract’s default', () => {
    const config = loadConfig(workerSchema, minimal)
    expect(config).toMatchObject({
      DATABASE_POOL_MAX: 10,
      REDIS_STREAM_ENABLED: true,
      REDIS_STREAM_MAX_LEN: 1_000_000,
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: 60_000,
      WORKER_MAX_IN_FLIGHT: 1024,
      MONEY_API_TIMEOUT_MS: 3000,
      RETRY_MAX_ATTEMPTS: 8,
      PROMOTION_MAX_FAILED_SHARE: 0.5,
      KAFKA_TOPIC_INVALID: 'prepay-campaign-promotion-invalid',
      KAFKA_BROKERS: ['a:9092', 'b:9092'],
      WORKER_PORT: 3002,
    })
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('empty text counts as not set', () => {
    expect(loadConfig(workerSchema, { ...minimal, WORKER_PORT: '', KAFKA_SSL: '' }).WORKER_PORT).toBe(3002)
  })

  test.each<[name: string, value: string | undefined, message: RegExp]>([
    ['DATABASE_URL', undefined, /^DATABASE_URL is not set$/],
    ['DATABASE_URL', 'mysql://canary-secret@db', /^DATABASE_URL must be a URL that begins with postgres/],
    ['REDIS_URL', 'localhost', /^REDIS_URL must be a URL/],
    ['KAFKA_BROKERS', 'http://broker', /^KAFKA_BROKERS must be a comma separated list of host:port$/],
    ['MONEY_API_URL', 'ftp://x', /^MONEY_API_URL must be a URL/],
    ['WORKER_MAX_IN_FLIGHT', '0', /^WORKER_MAX_IN_FLIGHT must be a whole number from 1/],
    ['WORKER_MAX_IN_FLIGHT', '1e3', /^WORKER_MAX_IN_FLIGHT must be a whole number/],
    ['DATABASE_POOL_MAX', '7', /^DATABASE_POOL_MAX must be at least 8 for a worker: upkeep would wait for itself$/],
    ['REDIS_STREAM_ENABLED', 'yes', /^REDIS_STREAM_ENABLED must be true or false$/],
    ['LOG_LEVEL', 'loud', /^LOG_LEVEL must be one of/],
    ['WORKER_PORT', '65536', /^WORKER_PORT must be a port from 1 to 65535, or 0/],
    ['WORKER_PORT', 'tcp://10.96.0.7:3002', /^WORKER_PORT is the address of a Kubernetes Service, not a port/],
    ['DATABASE_URL', 'postgres://db/p?sslmode=prefer', /^DATABASE_URL has a value of sslmode that could end in/],
    ['MONEY_API_URL', 'https://u:canary-secret@m', /^MONEY_API_URL must hold no user and no password/],
    ['MONEY_API_URL', 'https://m/v2?key=canary-secret', /^MONEY_API_URL must hold no query/],
    ['MONEY_API_URL', 'https://m/#x', /^MONEY_API_URL must hold no fragment/],
    ['MONEY_API_TOKEN', 'canary-secret é', /^MONEY_API_TOKEN has a character that cannot stand in a header/],
    ['MONEY_API_TOKEN', 'canary\nsecret', /^MONEY_API_TOKEN has a control character or a line end in it$/],
    ['MONEY_API_TOKEN', '"canary-secret"', /^MONEY_API_TOKEN stands in quotation marks/],
    ['KAFKA_GROUP_ID', 'a\u0000b', /^KAFKA_GROUP_ID has a control character/],
    ['KAFKA_TOPIC_VOUCHER', 'a b', /^KAFKA_TOPIC_VOUCHER must be a topic name/],
    ['KAFKA_TOPIC_VOUCHER', '..', /^KAFKA_TOPIC_VOUCHER must be a topic name/],
    ['KAFKA_BROKERS', 'a:0', /^KAFKA_BROKERS must be a comma/],
    ['PROBE_HOST', 'http://x', /^PROBE_HOST must be a host name/],
    ['REDIS_KEY_PREFIX', 'prod{1}:', /^REDIS_KEY_PREFIX must have no braces, no blanks and 64 characters at most$/],
    ['REDIS_KEY_PREFIX', 'prod 1:', /^REDIS_KEY_PREFIX must have no braces/],
    ['GIFT_MAX_AMOUNT', '9223372036854775808', /^GIFT_MAX_AMOUNT must be a whole number from 0 to 2\^63-1$/],
    ['PROMOTION_MAX_FAILED_SHARE', '0', /^PROMOTION_MAX_FAILED_SHARE must be a number from 0\.01 to 1$/],
    ['PROMOTION_MAX_FAILED_SHARE', '1.5', /^PROMOTION_MAX_FAILED_SHARE must be a number from 0\.01 to 1$/],
    ['REDIS_STREAM_CLAIM_MIN_IDLE_MS', '15999', /^REDIS_STREAM_CLAIM_MIN_IDLE_MS must be at least .* = 16000/],
    [
      'KAFKA_SASL_MECHANISM',
      'plain',
      /^KAFKA_SASL_USERNAME is not set, but KAFKA_SASL_MECHANISM is; KAFKA_SASL_PASSWORD/,
    ],
  ])('%s=%j is one line naming it', (name, value, message) => {
    let thrown: Error | undefined
    try {
      loadConfig(workerSchema, { ...minimal, [name]: value })
    } catch (error) {
      thrown = error as Error
    }
    expect(thrown?.message).toMatch(message)
    expect(thrown?.message).not.toContain('\n')
    expect(thrown?.message).not.toContain('canary-secret')
  })

  test('blanks and line ends around a value are no part of it', () => {
    const config = loadConfig(workerSchema, {
      ...minimal,
      MONEY_API_TOKEN: ' tok\r\n',
      KAFKA_GROUP_ID: '\tgroup \n',
      KAFKA_SASL_PASSWORD: 'pass word\n',
      WORKER_PORT: '0\n',
      LOG_LEVEL: ' \n',
    })
    expect(config).toMatchObject({
      MONEY_API_TOKEN: 'tok',
      KAFKA_GROUP_ID: 'group',
      KAFKA_SASL_PASSWORD: 'pass word',
      WORKER_PORT: 0,
      LOG_LEVEL: 'info',
    })
  })

  test('a name that looks like a setting and is none is found, with the nearest; what Kubernetes sets is not', () => {
    const found = findUnknownNames({
      ...minimal,
      WORKER_MAX_INFLIGHT: '5',
      KAFKA_BROKER: 'x',
      DATABSE_URL: 'x',
      WORKER_PORT: 'tcp://10.96.0.7:3002',
      REDIS_PORT: 'tcp://10.96.0.7:6379',
      REDIS_PORT_6379_TCP_ADDR: '10.96.0.7',
      REDIS_SERVICE_PORT_REDIS: '6379',
      KAFKA_SERVICE_HOST: '10.96.0.7',
      KAFKA_HOME: '/opt/kafka',
      HOME: '/root',
    })
    expect(found.map(({ name, nearest }) => [name, nearest])).toEqual([
      ['DATABSE_URL', 'DATABASE_URL'],
      ['KAFKA_BROKER', 'KAFKA_BROKERS'],
      ['WORKER_MAX_INFLIGHT', 'WORKER_MAX_IN_FLIGHT'],
    ])
    expect(SETTING_NAMES).toEqual(expect.arrayContaining(['WORKER_PORT', 'ADMIN_USERS', 'LISTENER_PORT']))
  })

  test('min-idle of exactly 2 × the time-outs is taken', () => {
    expect(loadConfig(workerSchema, { ...minimal, REDIS_STREAM_CLAIM_MIN_IDLE_MS: '16000' })).toBeDefined()
  })

  test('a listener and an admin do with a small pool', () => {
    for (const schema of [listenerSchema, adminSchema])
      expect(loadConfig(schema, { ...minimal, DATABASE_POOL_MAX: '1' }).DATABASE_POOL_MAX).toBe(1)
  })

  test('a listener needs the Money API only when it pays by itself', () => {
    const { MONEY_API_URL: _, ...without } = minimal
    expect(loadConfig(listenerSchema, without).MONEY_API_URL).toBeUndefined()
    expect(() => loadConfig(listenerSchema, { ...without, REDIS_STREAM_ENABLED: 'false' })).toThrow(/^MONEY_API_URL/)
    expect(loadConfig(adminSchema, without).ADMIN_HOST).toBe('127.0.0.1')
  })

  test('an admin that others can reach needs users; each is name:role:hash, and a complaint tells none of it', () => {
    const hash = 'scrypt.32768.8.3.AAAAAAAAAAAAAAAAAAAAAA.canary-secret'
    const admin = (settings: Record<string, string>) => loadConfig(adminSchema, { ...minimal, ...settings })
    expect(() => admin({ ADMIN_HOST: '0.0.0.0' })).toThrow(/^ADMIN_USERS is not set, but ADMIN_HOST/)
    const users = `vera:viewer:${hash}, otto:operator:${hash}`
    expect(admin({ ADMIN_HOST: '0.0.0.0', ADMIN_USERS: users }).ADMIN_USERS).toEqual([
      { name: 'vera', role: 'viewer', hash },
      { name: 'otto', role: 'operator', hash },
    ])
    for (const wrong of [
      `vera:root:${hash}`,
      'vera:viewer',
      `:viewer:${hash}`,
      `vera:viewer:${hash},vera:viewer:${hash}`,
    ]) {
      expect(() => admin({ ADMIN_USERS: wrong })).toThrow(/^ADMIN_USERS user \d/)
      expect(() => admin({ ADMIN_USERS: wrong })).not.toThrow(/canary/)
    }
  })
})
