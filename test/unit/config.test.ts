import { describe, expect, test } from '@jest/globals'
import { loadConfig } from '#config/load.ts'
import { adminSchema, listenerSchema, workerSchema } from '#config/schemas.ts'

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
