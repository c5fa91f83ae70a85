import { expect, test } from '@jest/globals'
import { CommanderError } from 'commander'
import fc from 'fast-check'
import { COMMANDS } from '#bin/command-list.ts'
import { ConfigError, loadConfig } from '#config/load.ts'
import { adminSchema, cliSchema, listenerSchema, migrateSchema, publishSchema, workerSchema } from '#config/schemas.ts'
import { parseRetryAfter } from '#money/charge.ts'
import { FUZZ_LIMIT_MS, fuzzBriefly } from '#test/support/fuzz.ts'

const minimal = {
  DATABASE_URL: 'postgres://user@db:5432/promo',
  REDIS_URL: 'redis://cache:6379',
  KAFKA_BROKERS: 'a:9092',
  MONEY_API_URL: 'https://money.example',
}
const schemas = { workerSchema, listenerSchema, adminSchema, cliSchema, publishSchema, migrateSchema }
const PARTS = ['postgres://', 'redis://', 'https://', 'user:secret@', '[::1]', ':', '?sslmode=', '%zz', '/', '#', ',']
const settingText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(fc.constantFrom(...PARTS), fc.string({ maxLength: 3 })), { maxLength: 6 }).map(all => all.join('')),
  fc.constantFrom(
    'true',
    'false',
    '0',
    '1',
    '-1',
    '0.5',
    '99999',
    '1e3',
    '::1',
    '10.0.0.0/8',
    'a:viewer:scrypt.1.1.1.a.b',
  ),
)

test.each(Object.entries(schemas))(
  '%s: settings are taken, or refused in one line that names each wrong variable',
  (_name, schema) => {
    const names = Object.keys(schema.shape)
    const given = fc.dictionary(fc.constantFrom(...names), settingText, { maxKeys: 5 })
    fc.assert(
      fc.property(given, settings => {
        try {
          expect(Object.isFrozen(loadConfig(schema, { ...minimal, ...settings }))).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
          const { message } = error as ConfigError
          expect(message.split('\n')).toHaveLength(1)
          expect(names.some(name => message.startsWith(`${name} `))).toBe(true)
        }
      }),
      fuzzBriefly,
    )
  },
  FUZZ_LIMIT_MS,
)

test(
  'Retry-After: a wait of 0 to a day, in whole ms, or nothing',
  () => {
    const date = fc.date({ noInvalidDate: true }).map(at => at.toUTCString())
    const digits = fc.array(fc.constantFrom(...'0123456789'), { minLength: 1, maxLength: 400 }).map(all => all.join(''))
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      date,
      digits,
      fc.double().map(String),
      fc.integer().map(String),
    )
    fc.assert(
      fc.property(value, fc.nat({ max: 2 ** 31 - 1 }), (header, nowSeconds) => {
        const waitMs = parseRetryAfter(header, nowSeconds * 1000)
        if (waitMs === undefined) return
        expect(Number.isSafeInteger(waitMs)).toBe(true)
        expect(waitMs).toBeGreaterThanOrEqual(0)
        expect(waitMs).toBeLessThanOrEqual(86_400_000)
      }),
      fuzzBriefly,
    )
  },
  FUZZ_LIMIT_MS,
)

test.each(Object.keys(COMMANDS))(
  '%s: arguments are taken, or are wrong usage',
  async name => {
    const command = await COMMANDS[name]!.load()
    const options = command.options.flatMap(({ long, short }) => [long, short].filter(each => each !== undefined))
    command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    command.action(() => undefined)
    const argument = fc.oneof(
      fc.constantFrom(...options, '--', '--help', 'VOUCHER', 'csv'),
      fc.bigInt({ min: -1n, max: 2n ** 64n }).map(String),
      fc.string({ unit: 'binary' }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { maxLength: 8 }), async given => {
        try {
          await command.parseAsync(given, { from: 'user' })
        } catch (error) {
          expect(error).toBeInstanceOf(CommanderError)
        }
      }),
      fuzzBriefly,
    )
  },
  FUZZ_LIMIT_MS,
)
